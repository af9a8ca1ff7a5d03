"""Draws the emoji and packs them: `python make.py NotoColorEmoji.ttf emoji-test.txt` writes emoji.tar.xz beside this file.

The font is in Debian's package fonts-noto-color-emoji, the list in unicode-data. Which emoji: each that the list calls
"fully-qualified" and that is a single code point, the selector U+FE0F not counted. So no skin tones, no flags of two letters, no
families put together of several people. Each is drawn at the font's own 136 x 128 pixels, laid in the middle of a transparent
square of 136, and made 32 x 32 by the mean of the pixels below each (Pillow's BOX).

In the archive: a folder for each of the nine groups, in it a PNG file for each emoji, with transparency, named by its code point;
and table.csv with file, group, subgroup and name of each. The PNG files are not compressed one by one but all together, by xz, which
finds more that is alike. Times, owners and order are fixed: the same Pillow and xz write the same bytes."""
import csv, hashlib, io, lzma, re, sys, tarfile
from pathlib import Path
from PIL import Image, ImageDraw, ImageFont

LINE = re.compile(r'(?P<code>[0-9A-F]+)(?: FE0F)? +; fully-qualified +# \S+ E[\d.]+ (?P<name>.+)')


def listed(path):
    "(code, group, subgroup, name) of each emoji of a single code point, in the order of the list."
    now = {}
    for line in path.read_text(encoding='utf-8').splitlines():
        if head := re.match(r'# (group|subgroup): (.+)', line): now[head[1]] = head[2]
        elif found := LINE.fullmatch(line): yield found['code'], now['group'], now['subgroup'], found['name']


def folder(group): return group.lower().replace(' & ', '-')


def drawn(font, code):
    "The emoji as a transparent picture of 32 x 32."
    picture = Image.new('RGBA', (136, 136))
    ImageDraw.Draw(picture).text((68, 68), chr(int(code, 16)), font=font, anchor='mm', embedded_color=True)
    return picture.resize((32, 32), Image.Resampling.BOX)


def png(picture):
    file = io.BytesIO()
    picture.save(file, 'PNG', compress_level=0)
    return file.getvalue()


def packed(files):
    "The bytes of a .tar.xz with `files`, {name: bytes}; nothing of the place and the hour where it was made."
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode='w', format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return lzma.compress(tar.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def main(font, emoji_test):
    font, rows, files = ImageFont.truetype(font, 109), [], {}
    for code, group, subgroup, name in listed(Path(emoji_test)):
        place = f'{folder(group)}/{code.lower()}.png'
        files[place] = png(drawn(font, code))
        rows.append((place, group, subgroup, name))
    table = io.StringIO()
    csv.writer(table, lineterminator='\n').writerows([('file', 'group', 'subgroup', 'name'), *rows])
    data = packed({'table.csv': table.getvalue().encode(), **files})
    Path(__file__).with_name('emoji.tar.xz').write_bytes(data)
    print(f'{len(rows)} pictures, {len({group for _, group, _, _ in rows})} groups, {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}')


if __name__ == '__main__': main(*sys.argv[1:])
