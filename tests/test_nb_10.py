"Lesson 10: what lies between a folder of files and the first batch, and that nothing goes wrong there without a word."
import csv, hashlib, io, os, pickle, tarfile
from functools import partial
from pathlib import Path
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from PIL import Image
from torch import nn, tensor
from torch.utils.data import DataLoader, TensorDataset
from exp import nb_10
from exp.nb_01 import data_file
from exp.nb_04 import BatchLoader, DataLoaders, Dataset, get_dls
from exp.nb_04a import FitError
from exp.nb_05 import Learner
from exp.nb_05b import Checkpoint
from exp.nb_10 import EMOJI, Lazy, Vocab, chance, content, duplicates, find_files, read_picture, split


def pixels(h=3, w=5, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (h, w, channels)[:3 if channels > 1 else 2], dtype=np.uint8)


def save(path, array, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **kwargs)
    return path


@pytest.fixture
def folder(tmp_path):
    "Seven pictures of 4 x 6 in two groups; one is there twice, saved in two ways."
    for i in range(6): save(tmp_path/'data'/'ab'[i % 2]/f'{i}.png', pixels(4, 6, seed=i), compress_level=0)
    save(tmp_path/'data'/'a'/'again.png', pixels(4, 6, seed=2), compress_level=9)
    return tmp_path/'data'


def names(items): return [f.name for f in items]


# The emoji

@pytest.fixture(scope='module')
def emoji():
    "{name: bytes} of the archive."
    with tarfile.open(data_file(EMOJI, 'emoji.tar.xz')) as archive: return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}


def test_the_archive_is_the_one_that_its_readme_and_the_module_name():
    path, (sha,) = data_file(EMOJI, 'emoji.tar.xz'), EMOJI['sha256'].values()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha and sha in (path.parent/'README.md').read_text(encoding='utf-8')


def test_there_are_1377_different_pictures_of_32_by_32_in_the_nine_groups_of_the_table(emoji):
    rows = [*csv.DictReader(io.StringIO(emoji['table.csv'].decode()))]
    assert {row['file'] for row in rows} == emoji.keys() - {'table.csv'} and len(rows) == 1377 == len({*emoji.values()}) - 1
    assert len({row['group'] for row in rows}) == 9 == len({row['file'].split('/')[0] for row in rows})
    assert {(p.size, p.mode) for name in emoji if name != 'table.csv' for p in [Image.open(io.BytesIO(emoji[name]))]} == {((32, 32), 'RGBA')}


# find_files

def test_files_come_at_any_depth_as_paths_in_the_order_of_their_names_and_nothing_hidden(tmp_path):
    for name in ('b/z.png', 'b/deep/er/y.PNG', 'a.jpeg', 'b/._z.png', '.ipynb_checkpoints/z.png', 'notes.txt', 'chart', 'b.png', 'B/q.webp'): save(tmp_path/name, pixels(), format='PNG')
    found = find_files(str(tmp_path))
    assert [f.relative_to(tmp_path).as_posix() for f in found] == ['B/q.webp', 'a.jpeg', 'b.png', 'b/deep/er/y.PNG', 'b/z.png']
    assert all(isinstance(f, Path) for f in found)
    assert names(find_files(tmp_path, '.txt')) == ['notes.txt'] and names(find_files(tmp_path, ['.txt', '.jpeg'])) == ['a.jpeg', 'notes.txt']


def test_the_usual_names_of_pictures_are_known(tmp_path):
    usual = ['a.bmp', 'a.gif', 'a.jpeg', 'a.jpg', 'a.png', 'a.tif', 'a.tiff', 'a.webp']
    for name in [*usual, 'a.csv', 'a.txt', 'a.pn']: (tmp_path/name).write_bytes(b'')
    assert names(find_files(tmp_path)) == usual


def test_the_order_is_not_the_systems(folder, monkeypatch):
    walk = os.walk
    monkeypatch.setattr(os, 'walk', lambda *args, **kwargs: [(place, sub, files[::-1]) for place, sub, files in walk(*args, **kwargs)][::-1])
    assert names(find_files(folder)) == ['0.png', '2.png', '4.png', 'again.png', '1.png', '3.png', '5.png']


def test_no_folder_an_empty_one_and_one_without_pictures_are_errors_that_name_it(tmp_path, folder):
    with pytest.raises(NotADirectoryError, match='nowhere is no folder'): find_files(tmp_path/'nowhere')
    with pytest.raises(NotADirectoryError, match='find_files: .*0.png is no folder'): find_files(folder/'a'/'0.png')
    (tmp_path/'texts').mkdir()
    (tmp_path/'texts'/'a.txt').write_text('a')
    with pytest.raises(ValueError, match='texts ends in .bmp or .gif'): find_files(tmp_path/'texts')
    (folder/'c').mkdir()
    (folder/'c'/'.hidden').write_text('a')
    with pytest.raises(ValueError, match=r'the folder .*c is empty'): find_files(folder)


def test_a_folder_that_may_not_be_read_is_an_error(folder, monkeypatch):
    def scandir(path): raise PermissionError(13, 'not for you', str(path))
    monkeypatch.setattr(os, 'scandir', scandir)
    with pytest.raises(PermissionError, match='not for you'): find_files(folder)


# read_picture

def test_red_green_and_blue_come_as_bytes_with_the_channels_first(tmp_path):
    x = pixels(3, 5)
    got = read_picture(save(tmp_path/'a.png', x))
    assert got.dtype == torch.uint8 and torch.equal(got, torch.from_numpy(x).permute(2, 0, 1)) and got.is_contiguous()
    assert read_picture(str(tmp_path/'a.png')).shape == (3, 3, 5) and read_picture(save(tmp_path/'one.png', pixels(1, 1))).shape == (3, 1, 1)


def test_grey_gives_three_equal_channels_black_and_white_two_values_and_a_palette_its_colours(tmp_path):
    grey, x = pixels(4, 3, 1), np.repeat(pixels(2, 2)[:, :1], 3, 1)
    got = read_picture(save(tmp_path/'l.png', grey))
    assert all(torch.equal(channel, torch.from_numpy(grey)) for channel in got)
    Image.fromarray(grey).point(lambda v: 255*(v > 99), '1').save(tmp_path/'1.png')
    assert torch.equal(read_picture(tmp_path/'1.png'), torch.where(got > 99, 255, 0).to(torch.uint8))
    Image.fromarray(x).quantize(4).save(tmp_path/'p.png')
    assert torch.equal(read_picture(tmp_path/'p.png'), torch.from_numpy(x).permute(2, 0, 1))


def test_transparent_parts_lie_on_white_whatever_colour_they_hide(tmp_path):
    x = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 51]]], np.uint8)
    want = tensor([[[10, 255, 204]], [[20, 255, 224]], [[30, 255, 244]]], dtype=torch.uint8)      # a fifth of it: .2*100 + .8*255 = 224
    assert torch.equal(read_picture(save(tmp_path/'rgba.png', x)), want)
    grey = read_picture(save(tmp_path/'la.png', np.array([[[90, 255], [90, 0]]], np.uint8)))
    assert grey[:, 0].tolist() == [[90, 255]]*3
    Image.fromarray(np.array([[0, 1]], np.uint8), 'P').save(tmp_path/'none.gif', transparency=1)
    assert read_picture(tmp_path/'none.gif')[:, 0, 1].tolist() == [255]*3
    Image.new('RGB', (2, 1), (7, 8, 9)).save(tmp_path/'key.png', transparency=(7, 8, 9))
    assert read_picture(tmp_path/'key.png').unique().tolist() == [255]


@pytest.mark.parametrize('name', ['deep.png', 'deep.tif'])
def test_of_16_bits_the_upper_eight_stay(tmp_path, name):
    got = read_picture(save(tmp_path/name, np.array([[0, 255, 256, 32768, 65535]], np.uint16)))
    assert got[:, 0].tolist() == [[0, 0, 1, 128, 255]]*3


def test_a_photograph_is_turned_as_the_camera_says(tmp_path):
    exif, x = Image.Exif(), np.zeros((8, 16, 3), np.uint8)
    exif[0x0112], x[:, :8] = 6, 255                      # 6: the camera was turned, so the left side is the top
    got = read_picture(save(tmp_path/'a.jpg', x, exif=exif, quality=95))
    assert got.shape == (3, 16, 8) and got[:, :8].min() > 240 and got[:, 8:].max() < 15
    assert read_picture(save(tmp_path/'b.png', x, exif=exif), (4, 2)).shape == (3, 4, 2)


def test_colours_of_print_become_red_green_and_blue(tmp_path):
    Image.new('CMYK', (9, 8), (0, 255, 255, 0)).save(tmp_path/'a.jpg', quality=100)
    red, green, blue = read_picture(tmp_path/'a.jpg').float().mean((1, 2)).tolist()
    assert red > 240 and max(green, blue) < 15


def test_a_size_takes_the_largest_middle_part_of_that_form(tmp_path):
    x = np.zeros((10, 30, 3), np.uint8)
    x[:, 10:20] = 200                                    # the middle third is a square
    path = save(tmp_path/'a.png', x)
    assert read_picture(path, 10).unique().tolist() == [200] and read_picture(path, 10).shape == (3, 10, 10)
    assert read_picture(path, (5, 15)).shape == (3, 5, 15) and read_picture(path, (5, 15))[0, 2, [1, 7, 13]].tolist() == [0, 200, 0]
    assert torch.equal(read_picture(path, (10, 30)), read_picture(path))


def test_a_size_may_be_a_number_of_numpy_or_torch_and_is_1_or_more(tmp_path):
    path = save(tmp_path/'a.png', pixels(4, 6))
    for size in (np.int64(2), tensor(2), np.array([2, 2])): assert torch.equal(read_picture(path, size), read_picture(path, 2))
    assert read_picture(path, (1, 1)).shape == (3, 1, 1)
    for size in (0, -3, (0, 2), (2, 0)):
        with pytest.raises(ValueError, match=r'a.png: size=.*, wanted 1 or more'): read_picture(path, size)


def test_a_smaller_size_is_a_weighted_mean_of_what_lies_below(tmp_path):
    x = pixels(9, 9)
    want = np.array(Image.fromarray(x).resize((4, 4), Image.Resampling.BILINEAR))
    assert torch.equal(read_picture(save(tmp_path/'a.png', x), 4), torch.from_numpy(want).permute(2, 0, 1))


def test_a_photograph_with_another_behind_it_is_one_picture(tmp_path):
    first, second = Image.new('RGB', (8, 8), 'white'), Image.new('RGB', (8, 8), 'black')
    first.save(tmp_path/'a.jpg', format='MPO', save_all=True, append_images=[second])
    assert Image.open(tmp_path/'a.jpg').format == 'MPO' and read_picture(tmp_path/'a.jpg').min() > 250


def broken(tmp_path):
    "{name of a file: what the error must say}"
    whole, frames = io.BytesIO(), [Image.fromarray(pixels(9, 9, seed=i)) for i in range(3)]
    frames[0].save(whole, 'PNG')
    (tmp_path/'empty.png').write_bytes(b'')
    (tmp_path/'text.png').write_text('no picture')
    (tmp_path/'half.png').write_bytes(whole.getvalue()[:len(whole.getvalue())//2])
    (tmp_path/'head.png').write_bytes(whole.getvalue()[:20])
    for name in ('moves.gif', 'moves.png', 'moves.webp', 'pages.tif'): frames[0].save(tmp_path/name, save_all=True, append_images=frames[1:])
    save(tmp_path/'float.tif', np.ones((2, 2), np.float32)), save(tmp_path/'int.tif', np.ones((2, 2), np.int32))
    Image.new('1', (8193, 8192)).save(tmp_path/'huge.png')
    return {'empty.png': 'the file is empty', 'text.png': 'no picture that Pillow knows', 'half.png': '', 'head.png': '', 'float.tif': 'the kind F, wanted', 'int.tif': 'the kind I, wanted',
            'huge.png': '8193 x 8192 pixels, wanted at most 67,108,864', **dict.fromkeys(('moves.gif', 'moves.png', 'moves.webp', 'pages.tif'), '3 pictures in one file')}


def test_what_cannot_be_read_is_an_error_that_begins_with_the_file(tmp_path):
    for name, words in broken(tmp_path).items():
        with pytest.raises(ValueError) as error: read_picture(tmp_path/name, 4)
        assert str(error.value).startswith(f'{tmp_path/name}: ') and words in str(error.value), name
    with pytest.raises(FileNotFoundError, match='nowhere.png'): read_picture(tmp_path/'nowhere.png')


def test_a_file_changed_in_any_of_its_bytes_gives_a_picture_of_the_same_form_or_an_error_that_names_it(tmp_path):
    path = save(tmp_path/'a.png', pixels(6, 7), compress_level=0)
    data, refused = path.read_bytes(), 0
    for i in range(8, len(data), 3):
        path.write_bytes(data[:i] + bytes([data[i] ^ 85]) + data[i + 1:])
        try: assert read_picture(path, 4).shape == (3, 4, 4)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 20


def test_the_largest_picture_that_is_read_has_as_many_pixels_as_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(nb_10, 'MOST', 15)
    assert read_picture(save(tmp_path/'a.png', pixels(3, 5))).shape == (3, 3, 5)
    with pytest.raises(ValueError, match='4 x 4 pixels, wanted at most 15'): read_picture(save(tmp_path/'b.png', pixels(4, 4)))


# content and duplicates

def test_content_is_the_same_for_the_same_pixels_and_for_no_others(tmp_path):
    x = pixels(4, 2)
    a = save(tmp_path/'a.png', x, compress_level=0)
    for i, same in enumerate((save(tmp_path/'b.png', x, compress_level=9), save(tmp_path/'c.bmp', x))): assert content(same) == content(a), i
    other = x.copy()
    other[3, 1, 2] ^= 1
    others = [save(tmp_path/f'{i}.png', np.ascontiguousarray(y)) for i, y in enumerate((other, x[::-1], x.transpose(1, 0, 2)))]
    white = [save(tmp_path/f'w{h}.png', np.full((h, 8//h, 3), 255, np.uint8)) for h in (1, 2, 4)]
    assert len({content(f) for f in [a, *others, *white]}) == 7


def test_duplicates_are_told_by_name(folder):
    assert [names(same) for same in duplicates(find_files(folder))] == [['2.png', 'again.png']]
    assert duplicates([3, 5, 8, 11, 4], key=lambda n: n % 4) == [[3, 11], [8, 4]] and duplicates([]) == []


# split

def test_the_two_sides_are_all_items_once_in_their_order():
    train, valid = split(range(1000), .25, seed=3, key=str)
    assert sorted(train + valid) == [*range(1000)] and train == sorted(train) and valid == sorted(valid) and 210 < len(valid) < 290


@settings(max_examples=25)
@given(st.sets(st.integers(), min_size=20, max_size=30), st.integers(0, 9), st.sampled_from([.2, .5, .7]))
def test_the_side_of_an_item_depends_on_no_other_item(numbers, seed, share):
    numbers = [*numbers]
    try: train, valid = split(numbers, share, seed, key=str)
    except ValueError: return                            # by chance one side may stay empty
    def side(items): return [n for n in items if chance(n, seed) < share]
    assert valid == side(numbers) and side(numbers[::-1]) == valid[::-1] and side(numbers[:9]) == [n for n in valid if n in numbers[:9]]


def test_a_seed_gives_the_same_split_in_every_process_and_another_seed_another():
    items = [f'{i}.png' for i in range(20)]
    assert split(items, .3, seed=5, key=str)[1] == [f'{i}.png' for i in (0, 2, 4, 5, 7, 10, 13, 16, 19)]         # not so with Python's own hash of a text
    assert split(items, .3, seed=6, key=str)[1] == [f'{i}.png' for i in (0, 2, 4, 10, 11, 12, 13)]


def test_chance_is_the_first_48_bits_of_a_sha256_and_spread_evenly():
    assert chance('a', 7) == int(hashlib.sha256(b'7 a').hexdigest()[:12], 16) / 2**48
    numbers = tensor([chance(i, 0) for i in range(4000)])
    assert torch.histc(numbers, 10, 0, 1).sub(400).abs().max() < 80 and 0 <= numbers.min() and numbers.max() < 1
    assert abs(torch.corrcoef(torch.stack([numbers, tensor([chance(i, 1) for i in range(4000)])]))[0, 1]) < .05


def test_by_chance_the_same_content_is_never_on_both_sides(folder):
    both = 0
    for seed in range(30):
        try: sides = split(find_files(folder), .5, seed)
        except ValueError: continue
        assert any({'2.png', 'again.png'} <= {*names(side)} for side in sides), seed
        both += 1
    assert both > 20


def test_a_key_keeps_a_group_together():
    train, valid = split(range(300), .3, seed=1, key=lambda n: n // 10)
    assert {n // 10 for n in train}.isdisjoint({n // 10 for n in valid}) and len(valid) % 10 == 0 and valid


def test_a_function_splits_by_folder_or_table_and_what_it_parts_is_told_by_name(folder):
    files = find_files(folder)
    train, valid = split(files, lambda f: f.parent.name == 'b')
    assert names(valid) == ['1.png', '3.png', '5.png'] and len(train) == 4
    table = {'2.png': 'valid', '5.png': 'valid'}
    with pytest.raises(ValueError, match=r'on both sides: .*2.png and .*again.png$'): split(files, lambda f: table.get(f.name) == 'valid')
    with pytest.raises(ValueError, match=r'both sides: 0 and 1, and 2 more$'): split([0, 1, 2, 3], lambda n: n > 0, key=lambda n: 'all')
    with pytest.raises(KeyError, match='0.png'): split(files, lambda f: table[f.name] == 'valid')
    assert names(split(files, lambda f: table.get(f.name) == 'valid', key=str)[1]) == ['2.png', '5.png']


@pytest.mark.parametrize('share', [0, 1, -.2, 1.5, float('nan'), 20])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(ValueError, match='wanted a share between 0 and 1'): split(range(9), share, key=str)


def test_an_empty_side_is_an_error():
    with pytest.raises(ValueError, match='of 9 items none is for validation'): split(range(9), lambda n: False, key=str)
    with pytest.raises(ValueError, match='of 9 items none is for training'): split(range(9), lambda n: True, key=str)
    with pytest.raises(ValueError, match='none is for'): split([], .5)
    rest, _ = split(range(200), .3, seed=0, key=str)
    with pytest.raises(ValueError, match='none is for validation'): split(rest, .3, seed=0, key=str)      # the same seed again


# Vocab

def test_the_names_are_those_of_training_in_alphabetical_order_and_travel(folder):
    files = find_files(folder)
    vocab = Vocab(files[::-1])
    assert vocab.names == ['a', 'b'] and len(vocab) == 2
    got = vocab(files[3:])
    assert got.dtype == torch.int64 and got.tolist() == [0, 1, 1, 1] and vocab([files[-1]]).tolist() == [1] and vocab([]).shape == (0,)
    by_table = Vocab([3, 1, 2], label={1: 'x', 2: 'y', 3: 'x'}.get)
    assert by_table.names == ['x', 'y'] and by_table([2, 2, 3]).tolist() == [1, 1, 0]


def test_a_label_that_training_lacks_is_an_error_that_names_file_and_label(folder):
    vocab = Vocab(find_files(folder/'a'))
    with pytest.raises(ValueError, match=r"b.1.png: the label 'b' is not one of \['a'\]"): vocab(find_files(folder))
    with pytest.raises(ValueError, match='no items'): Vocab([])


# Lazy

def test_nothing_is_made_before_it_is_asked_for_and_only_what_is_asked_for():
    made = []
    def double(n, by=2): return made.append(n) or n * by
    lazy = Lazy(Lazy([5, 6, 7, 8, 9], double), double, by=10)
    some = lazy[1:4][tensor([2, 0])]
    assert (len(lazy), len(some), made) == (5, 2, [])
    assert [*some] == [160, 120] and made == [8, 16, 6, 12] and lazy[-1] == 180 and lazy[tensor(0)] == 100
    assert [*lazy[::-2]] == [180, 140, 100] and [*lazy[tensor([4])][:1]] == [180]
    for i in (5, -6):
        with pytest.raises(IndexError): lazy[i]


def test_a_mask_and_a_list_are_no_numbers():
    lazy, mask = Lazy('abcd', str.upper), tensor([True, False, False, True])
    for wrong in (mask, mask.numpy(), mask[0], np.bool_(True), [0, 3], (0, 3), []):
        with pytest.raises(TypeError, match='wanted a number, a slice or a tensor of numbers'): lazy[wrong]
    assert [*lazy[mask.nonzero().flatten()]] == ['A', 'D'] == [*lazy[mask.numpy().nonzero()[0]]] and lazy[np.int64(1)] == 'B'
    with pytest.raises(TypeError): Dataset(lazy, torch.arange(4))[mask]


def test_a_stop_iteration_in_the_function_ends_nothing_early():
    def stops(x):
        if x is batches[2]: raise StopIteration
        return x
    batches = [tensor([i]) for i in range(5)]
    for items in (batches, DataLoader(batches, None)):
        with pytest.raises(RuntimeError, match='StopIteration'): [*Lazy(items, lambda x: stops(batches[int(x)]))]


def test_items_keep_their_type_until_the_function_changes_it(folder):
    files = find_files(folder)
    lazy = Lazy(files, read_picture)
    assert all(isinstance(f, Path) for f in lazy.items) and torch.is_tensor(lazy[0]) and Lazy(files, lambda f: f)[2] is files[2]


@pytest.mark.parametrize('items', [range(4), (0, 1, 2, 3), torch.arange(4), np.arange(4), TensorDataset(torch.arange(4)), Dataset(torch.arange(4), torch.arange(4)), 'abcd'])
def test_anything_with_numbers_and_a_length_will_do(items):
    lazy = Lazy(items, lambda item: [item])
    assert len(lazy) == 4 and len([*lazy]) == 4 and len([*lazy[1:3]]) == 2
    assert repr(lazy[2]) == repr([items[2]]) == repr([*lazy[tensor([2])]][0])


def test_a_data_set_that_never_says_that_it_ends_comes_to_an_end():
    class Endless(torch.utils.data.Dataset):
        def __len__(self): return 3
        def __getitem__(self, i): return i
    assert [*Lazy(Endless(), lambda n: -n)] == [0, -1, -2]


def test_of_a_loader_it_makes_batch_by_batch_a_loader():
    loader = DataLoader(TensorDataset(torch.arange(5)), 2)
    lazy = Lazy(loader, lambda batch, by: batch[0] * by, by=10)
    assert len(lazy) == 3 and [b.tolist() for b in lazy] == [[0, 10], [20, 30], [40]] == [b.tolist() for b in lazy]
    assert [b.tolist() for b in Lazy(lazy, torch.neg)] == [[0, -10], [-20, -30], [-40]] and len(Lazy(lazy, torch.neg)) == 3
    with pytest.raises(TypeError, match='a DataLoader gives nothing by its number'): lazy[0]


def test_stack_makes_one_tensor_and_names_the_first_that_does_not_fit(folder):
    files = find_files(folder)
    x = Lazy(files, read_picture)[2:].stack()
    assert x.dtype == torch.uint8 and torch.equal(x, torch.stack([read_picture(f) for f in files[2:]]))
    assert Lazy(range(3), lambda n: tensor(n * 2.)).stack().tolist() == [0, 2, 4]
    save(folder/'b'/'3.png', pixels(6, 4))
    with pytest.raises(ValueError, match=r'stack: .*3.png: \(3, 6, 4\) of torch.uint8, and those before have \(3, 4, 6\)'): Lazy(files, read_picture)[2:].stack()
    with pytest.raises(ValueError, match='stack: there are no items'): Lazy([], tensor).stack()
    with pytest.raises(ValueError, match='stack: 2: .* of torch.int64, and'): Lazy(range(3), lambda n: tensor(n if n > 1 else .5)).stack()


def test_whatever_a_function_raises_says_which_file_it_was(folder):
    def fails(path): return 1 / 0
    with pytest.raises(ZeroDivisionError) as error: Lazy(find_files(folder), fails)[1]
    assert [str(find_files(folder)[1]) in note for note in error.value.__notes__] == [True]
    with pytest.raises(ZeroDivisionError) as error: Lazy([torch.zeros(10**6)], fails)[0]
    assert not hasattr(error.value, '__notes__')


def test_it_can_be_sent_to_another_process(folder):
    lazy = pickle.loads(pickle.dumps(Lazy(find_files(folder), read_picture, size=3)))
    assert lazy[6].shape == (3, 3, 3)


# All of it

def loaders(folder, workers=None, cache=False, f=lambda batch: (batch[0].float() / 256, batch[1])):
    train, valid = split(find_files(folder), .4, seed=2)
    vocab = Vocab(find_files(folder))
    sets = [Dataset(x.stack() if cache else x, vocab(files)) for files in (train, valid) for x in [Lazy(files, read_picture, size=4)]]
    return DataLoaders(*(Lazy(dl, f) for dl in get_dls(*sets, bs=2, seed=0, workers=workers)))


def model(): return nn.Sequential(nn.Flatten(), nn.Linear(48, 2))


def test_the_batches_are_those_of_a_plain_loop(folder):
    files = split(find_files(folder), .4, seed=2)[1]
    xb, yb = next(iter(loaders(folder).valid))
    assert torch.equal(xb, torch.stack([read_picture(f, 4) for f in files[:4]]).float() / 256) and yb.tolist() == ['ab'.index(f.parent.name) for f in files[:4]]


@pytest.mark.parametrize('how', [dict(workers=2), dict(cache=True)])
def test_workers_and_a_cache_give_the_same_batches_for_the_same_seed(folder, how):
    def noisy(batch): return batch[0] + torch.rand(batch[0].shape), batch[1]         # drawn here and not in a worker
    seen = []
    for settings in ({}, how):
        torch.manual_seed(0)
        dls = loaders(folder, f=noisy, **settings)
        seen.append([part for _ in range(2) for dl in dls for batch in dl for part in batch])
    assert len(seen[0]) == len(seen[1]) >= 10 and all(torch.equal(a, b) for a, b in zip(*seen))


def test_a_learner_takes_the_loaders_and_goes_on_to_the_same_bits_after_a_checkpoint(folder, tmp_path):
    def learner():
        torch.manual_seed(0)
        return Learner(model(), loaders(folder, f=lambda batch: (batch[0] / 256 + torch.rand(()), batch[1])))
    whole = learner().fit(4, [Checkpoint(tmp_path/'whole')])
    learner().fit(2, [Checkpoint(tmp_path/'parts')])
    parts = learner().fit(4, [Checkpoint(tmp_path/'parts')])
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), parts.model.parameters()))


@pytest.mark.parametrize('workers', [None] if 'MUTANT' in os.environ else [None, 1])        # a worker takes five seconds to go
def test_a_damaged_file_ends_a_fit_with_its_name(folder, workers):
    dls = loaders(folder, workers)
    dls.train.items.ds.x.items[0].write_bytes(b'')
    with pytest.raises(FitError) as error: Learner(model(), dls).fit(1)
    told = f'{error.value} {error.value.__cause__}'
    assert dls.train.items.ds.x.items[0].name in told and 'the file is empty' in told


def test_torchs_own_loader_takes_the_parts(folder):
    files = find_files(folder)
    loader = DataLoader(Dataset(Lazy(files, partial(read_picture, size=5)), Vocab(files)(files)), 3)
    assert [tuple(xb.shape) for xb, _ in loader] == [(3, 3, 5, 5), (3, 3, 5, 5), (1, 3, 5, 5)]
