"""The dialog of a kind of mosaic in Krita: options, expert options folded away, a preview."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QImage, QPixmap
from PyQt5.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from smalti.plugin.editor import PlainError, Worker
from smalti.plugin.editor_options import Kind, Option, request_values
from smalti.plugin.krita_image import Small
from smalti.plugin.preview import SIDE, STEP_MS, Preview

_HIGH = 320  # px of the expert options before they scroll


class Folder(QWidget):  # type: ignore[misc]  # Qt's classes have no types outside of Krita
    """A folder, typed or chosen."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words
        self.line = QLineEdit()
        button = QPushButton("...")
        button.setToolTip(words)
        button.clicked.connect(self._choose)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line)
        row.addWidget(button)
        self.setFocusProxy(self.line)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, self._words, self.line.text())
        if folder:
            self.line.setText(folder)


class Field:
    """One option as a widget.

    Parameters
    ----------
    option : Option
    changed : callable
    """

    def __init__(self, option: Option, changed: Callable[..., None]) -> None:
        self.option = option
        self.widget: Any
        if option.choices:
            self.widget = QComboBox()
            for value, label in option.choices:
                self.widget.addItem(label, value)
            self.widget.currentIndexChanged.connect(changed)
        elif option.default is None:
            self.widget = Folder(option.help)
            self.widget.line.textChanged.connect(changed)
        elif isinstance(option.default, bool):
            self.widget = QCheckBox()
            self.widget.toggled.connect(changed)
        elif isinstance(option.default, str):
            self.widget = QLineEdit()
            self.widget.textChanged.connect(changed)
        else:
            whole = isinstance(option.default, int)
            self.widget = QSpinBox() if whole else QDoubleSpinBox()
            self.widget.setRange(*(map(int, option.limits) if whole else option.limits))
            if not whole:
                self.widget.setSingleStep(0.1)
            self.widget.valueChanged.connect(changed)
        self.widget.setObjectName(option.name)
        self.widget.setToolTip(option.help)

    def value(self) -> Any:
        """Return what is set."""
        if self.option.choices:
            return self.widget.currentData()
        if self.option.default is None:
            return self.widget.line.text().strip() or None
        if isinstance(self.option.default, bool):
            return self.widget.isChecked()
        return self.widget.text() if isinstance(self.option.default, str) else self.widget.value()

    def set(self, value: Any) -> None:
        """Set it."""
        if self.option.choices:
            self.widget.setCurrentIndex(max(0, self.widget.findData(value)))
        elif self.option.default is None:
            self.widget.line.setText(value or "")
        elif isinstance(self.option.default, bool):
            self.widget.setChecked(bool(value))
        elif isinstance(self.option.default, str):
            self.widget.setText(str(value))
        else:
            self.widget.setValue(value)


class Dialog(QDialog):  # type: ignore[misc]  # as above
    """The dialog.

    Parameters
    ----------
    parent : QWidget
    kind : Kind
    values : dict
        By name of the option.
    small : Small
        What a preview is made of.
    start : callable
        Starts a worker.
    """

    def __init__(
        self,
        parent: Any,
        kind: Kind,
        values: dict[str, Any],
        small: Small,
        start: Callable[[], Worker],
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Smalti: {kind.title}")
        self.setObjectName(kind.procedure)
        self._kind, self._small = kind, small
        self._picture, self._words = QLabel(), QLabel()
        self._words.setWordWrap(True)
        self._words.setFixedWidth(SIDE)
        self._picture.setPixmap(QPixmap.fromImage(small.image))
        self.preview = Preview(start, self._job, self._show, self._words.setText)
        self.fields = {
            option.name: Field(option, self.preview.changed)
            for option in kind.options
            if option.name in values
        }
        self.set(values)
        left, right = QVBoxLayout(), QVBoxLayout()
        left.addWidget(self._picture)
        left.addWidget(self._words)
        left.addStretch()
        chief = QWidget()
        chief.setLayout(self._form(kind.chief))
        right.addWidget(chief)
        self._add_experts(right)
        right.addStretch()
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.Ok | QDialogButtonBox.Cancel | QDialogButtonBox.Reset
        )
        self.buttons.accepted.connect(self._accept)
        self.buttons.rejected.connect(self.reject)
        defaults = {option.name: option.default for option in kind.options}
        self.buttons.button(QDialogButtonBox.Reset).clicked.connect(lambda: self.set(defaults))
        right.addWidget(self.buttons)
        beside = QHBoxLayout(self)
        beside.addLayout(left)
        beside.addLayout(right)
        self.preview.step()  # the engine loads while the window opens
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.preview.step)
        self._timer.start(STEP_MS)

    def set(self, values: dict[str, Any]) -> None:
        """Set all options."""
        for name, field in self.fields.items():
            field.set(values[name])

    def values(self) -> dict[str, Any]:
        """Return all options as they are; those that are not shown have their defaults."""
        shown = {name: field.value() for name, field in self.fields.items()}
        return {option.name: option.default for option in self._kind.options} | shown

    def end(self) -> Worker | None:
        """Take the dialog away; return the warm worker, if there is one."""
        self._timer.stop()
        self.deleteLater()
        return self.preview.take_worker()

    def _accept(self) -> None:
        """Be done, or stay open and say what cannot be used."""
        try:
            request_values(self._kind, self.values())
        except PlainError as error:
            self._words.setText(f"<b>{escape(str(error))}</b>")
        else:
            self.accept()

    def _form(self, options: Sequence[Option]) -> Any:
        form = QFormLayout()
        for option in options:
            if option.name in self.fields:
                field = self.fields[option.name]
                form.addRow(option.label.replace("_", "&"), field.widget)
        return form

    def _add_experts(self, column: Any) -> None:
        inside = QWidget()
        inside.setLayout(self._form(self._kind.expert))
        scrolled = QScrollArea()
        scrolled.setWidget(inside)
        scrolled.setWidgetResizable(True)
        scrolled.setMinimumHeight(_HIGH)
        scrolled.setVisible(False)
        button = QToolButton()
        button.setText("E&xpert options")
        button.setCheckable(True)
        button.setObjectName("expert")
        button.toggled.connect(scrolled.setVisible)
        column.addWidget(button)
        column.addWidget(scrolled)

    def _job(self, folder: Path) -> dict[str, Any]:
        return {"request": request_values(self._kind, self.values()), **self._small.job(folder)}

    def _show(self, folder: Path, raster: dict[str, Any]) -> None:
        alpha = raster["format"] == "RGBA u8"
        form = QImage.Format_RGBA8888 if alpha else QImage.Format_RGB888
        pixels = (folder / raster["file"]).read_bytes()
        image = QImage(pixels, raster["width"], raster["height"], raster["stride"], form)
        self._picture.setPixmap(QPixmap.fromImage(image))
