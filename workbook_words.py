"""An error in other words: what a test wants to read in an error need not be how the reader of a lesson would say it."""
import ast


class OwnWords:
    """Stands in for `pytest.raises`: an error of the wanted kind may say what it likes if a `raise` of the answer has raised it, or its
    cause, and it says something. An error of Python's own has to be in the words of the test, and one of another part of the module, too.

    The answer stands in the `lines` (first, last) of the module `text`, whose file is `path`. `heard` counts such errors."""
    def __init__(self, path, text, lines):
        self.path, self.heard = str(path), 0
        self.at = {node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Raise) and lines[0] <= node.lineno <= lines[1]}

    def own(self, error):
        "Whether the answer has raised this error itself, with a text, or its cause."
        step = error.__traceback__
        while step and step.tb_next: step = step.tb_next
        here = step and step.tb_frame.f_code.co_filename == self.path and step.tb_lineno in self.at
        if here and not isinstance(error, NotImplementedError) and str(error).strip(): return True
        return error.__cause__ is not None and self.own(error.__cause__)

    def stand_in(self):
        "From now on `pytest.raises` of this process is this one."
        import pytest
        strict, words = pytest.raises, self
        class Raises(pytest.RaisesExc):
            def matches(self, error):
                if super().matches(error): return True
                if not isinstance(error, self.expected_exceptions) or not words.own(error): return False
                words.heard += 1
                return True
        def raises(expected=None, *args, **more): return Raises(expected, **more) if [*more] == ['match'] and expected and not args else strict(expected, *args, **more)
        pytest.raises = raises
