"How the lessons become book/: one page each (lesson.py), and the pages that lead to them (book.py)."
