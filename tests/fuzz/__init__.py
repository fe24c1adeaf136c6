"""What is done to every parser, by Hypothesis in CI and by a coverage-guided fuzzer."""
