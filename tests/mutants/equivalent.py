"""Edits of systematic.py that change nothing anybody could observe: (module, old line, new line, why).

Both lines stand as systematic.py prints them. What only changes the words of a message, a hint, or how much work is
done for the same result belongs here; what no test has looked at yet does not."""
EQUIVALENT = [
    ("nb_02a", "q = q * r.diagonal().sign()", "q = q / r.diagonal().sign()", "a sign is 1 or -1; a random matrix has no 0 there"),
]
