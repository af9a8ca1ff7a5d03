"Mistakes in what an error may say that its tests must catch: what was written, what somebody might write, and the thought behind it."
MUTANTS = [
    ("if isinstance(node, ast.Raise) and", "if", 'an error of Python in a line of the answer is its own'),
    ("lines[0] <= node.lineno <= lines[1]}", "node.lineno <= lines[1]}", 'what stands above the answer belongs to it'),
    ("lines[0] <= node.lineno <= lines[1]}", "lines[0] <= node.lineno}", 'what stands below the answer belongs to it'),
    ("while step and step.tb_next: step = step.tb_next", "pass", 'the first frame has raised it'),
    ("step.tb_frame.f_code.co_filename == self.path and ", "", 'lines of another file are the answer\'s'),
    ("if here and not isinstance(error, NotImplementedError) and", "if here and", 'what is not yet written says so in words of its own'),
    (" and str(error).strip(): return True", ": return True", 'an error need not say anything'),
    ("return error.__cause__ is not None and self.own(error.__cause__)", "return False", 'nobody tells the error of a callback in one of their own'),
    ("if super().matches(error): return True", "if False: return True", 'the words of the test are the answer\'s own'),
    ("if not isinstance(error, self.expected_exceptions) or not words.own(error)", "if not words.own(error)", 'any kind of error will do'),
    ("words.heard += 1", "pass", 'nobody asks how often'),
    ("        pytest.raises = raises", "        pass", 'pytest knows by itself'),
]
