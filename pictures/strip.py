"""Draws pictures/lessons.png, the README's picture, from the pictures saved in the notebooks: `python pictures/strip.py`."""
import base64, io, json, re, sys
from pathlib import Path
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
WIDTH, GAP, TEXT = 1600, 24, 26
# rows of (lesson, how the alternative text of the picture begins, caption)
ROWS = [[('01_matmul', 'Seven dots', '01  the time of a matrix product'),
         ('05_learner', 'Three rows of the same six', '05  a network that takes noise away'),
         ('06_schedules', 'The smoothed loss over the learning rate', '06  the right learning rate')],
        [('03_autograd', 'A graph that goes up', '03  a gradient finds its way'),
         ('06a_milestone', 'Twenty handwritten digits', '06a  read with confidence, and in doubt')]]


def picture(lesson, alt):
    "The saved picture of the cell whose `#| fig-alt:` begins so."
    for cell in json.loads((ROOT/'nbs'/f'{lesson}.ipynb').read_text(encoding='utf-8'))['cells']:
        if not re.search(rf'^#\| fig-alt: *{re.escape(alt)}', ''.join(cell['source']), re.MULTILINE): continue
        for output in cell['outputs']:
            if png := output.get('data', {}).get('image/png'): return Image.open(io.BytesIO(base64.b64decode(''.join(png)))).convert('RGB')
    raise LookupError(f'{lesson}: no saved picture has an alternative text that begins with {alt!r}')


def strip(rows):
    "The rows one below the other, the pictures of a row side by side and of one height, each over its caption."
    font = ImageFont.truetype(font_manager.findfont('DejaVu Sans'), TEXT - 4)
    whole, top = Image.new('RGB', (WIDTH, 4000), 'white'), GAP
    pen = ImageDraw.Draw(whole)
    for row in rows:
        pictures = [picture(lesson, alt) for lesson, alt, _ in row]
        height = round((WIDTH - GAP * (len(row) + 1)) / sum(p.width / p.height for p in pictures))
        left = GAP
        for shown, (_, _, caption) in zip(pictures, row):
            shown = shown.resize((round(height * shown.width / shown.height), height), Image.Resampling.LANCZOS)
            whole.paste(shown, (left, top))
            pen.text((left + 6, top + height + 4), caption, '#444', font)
            left += shown.width + GAP
        top += height + TEXT + GAP
    return whole.crop((0, 0, WIDTH, top)).quantize(96, dither=Image.Dither.NONE)


def main(place=ROOT/'pictures'/'lessons.png'):
    strip(ROWS).save(place, optimize=True)
    print(f'{place}: {place.stat().st_size:,} bytes')


if __name__ == '__main__': sys.exit(main())
