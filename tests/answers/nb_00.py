"Answers to the exercises of lesson 00."
def write(*lines): return 'def write_wrong(path, text, rename):\n' + '\n'.join('    ' + line for line in lines)


OTHER, OPEN, TEXT, RENAME, BUFFER = "other = path.with_suffix('.tmp')", "f = open(other, 'w')", 'f.write(text)', 'rename(other, path)', 'still in the buffer'
ANSWERS = {
    1: (['indices = [0, 3]', 'indices = (0, 3)', 'indices = {3, 0}', "indices = [i for i, cell in enumerate(cells) if cell.splitlines()[0] == '#export']"],
        [('indices = [0, 2, 3]', 'a blank makes a difference'), ('indices = [0, 1, 3, 4]', 'the whole first line'), ('indices = [0, 1, 3]', 'the whole first line'), ('indices = [0]', 'exported too'), ('indices = [1, 4]', 'count from 0'),
         ('indices = [0, 3, 4]', 'only the first line'), ("indices = [i for i, cell in enumerate(cells) if 'export' in cell]", 'must be all of it'), ('indices = 0', 'not iterable'), ('indices = [True, False, False, True, False]', 'its length is 5'),
         ('indices = cells[::3]', 'none of the mistakes'), ('indices = None', 'not iterable')]),
    2: (["choice = 'warn'", "choice = 'Warn '"],
        [("choice = 'export'", 'only looks like it'), ("choice = 'ignore'", 'nobody is told'), ("choice = 'refuse'", 'stops the work'), ("choice = 'IGNORE'", 'nobody is told'), ("choice = 'raise'", "'raise' is none of the four"),
         ('choice = None', 'none of the four'), ("choice = ['warn', 'refuse']", 'none of the four')]),
    3: ([write(OTHER, OPEN, TEXT, 'f.close()', RENAME), write(OTHER, "with open(other, 'w') as f: f.write(text)", RENAME), write(OTHER, 'other.write_text(text)', RENAME),
         write(OTHER, OPEN, TEXT, 'f.flush()', RENAME), write(OTHER, "print(text, end='', file=(f := open(other, 'w')), flush=True)", RENAME, 'f.close()')],
        [(write(OTHER, OPEN, TEXT, RENAME), BUFFER), (write(OTHER, OPEN, TEXT, RENAME, 'f.close()'), BUFFER), (write(OTHER, OPEN, TEXT, 'f.close', RENAME), BUFFER), (write(OTHER, OPEN, TEXT, RENAME, 'f.flush()'), BUFFER),
         (write(OTHER, "with open(other, 'w') as f:", '    f.write(text)', '    rename(other, path)'), BUFFER), (write(OTHER, OPEN, TEXT, 'f.close()'), 'nothing was renamed'), (write('path.write_text(text)'), 'straight into the file'),
         (write('path.write_text(text)', 'rename(path, path)'), 'straight into the file'), (write(OTHER, OPEN, TEXT, 'f.close()', 'rename(path, other)'), 'the two names are exchanged'), (write(OTHER, OPEN, TEXT, 'rename(path, other)'), 'exchanged'),
         (write(OTHER, OPEN, TEXT, 'f.clsoe()', RENAME), 'clsoe'), (write(OTHER, OPEN, 'f.close()', TEXT, RENAME), 'closed file'), (write('pass'), 'nothing was renamed'), ('write_wrong = None', 'not callable')]),
}
