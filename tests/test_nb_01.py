import gzip, hashlib, io, os, struct, threading, time, tracemalloc
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import numpy as np, pytest, torch
from torch import tensor
from exp import nb_01
from exp.nb_01 import FASHION_MNIST, MNIST, DownloadBar, data_file, download, near, read_idx, read_up_to, show_images, test_near, timed

BODY = bytes(range(256)) * 2000
SHA = hashlib.sha256(BODY).hexdigest()
sleep = time.sleep                             # the real one; the fixture below shortens that of the module


# ---- pictures, comparisons, times

@pytest.fixture
def plt(monkeypatch):
    "matplotlib's pyplot, which shows nothing."
    import matplotlib
    matplotlib.use('agg')
    import matplotlib.pyplot as plt
    monkeypatch.setattr(plt, 'show', lambda: None)
    yield plt
    plt.close('all')


def test_images_are_drawn_from_rows_or_squares_with_their_titles(plt):
    for x in (torch.rand(5, 16), torch.rand(5, 4, 4)):
        show_images(x, titles=range(5), cols=3)
        axes = plt.gcf().axes
        assert len(axes) == 6 and [ax.get_title() for ax in axes] == [*'01234', '']
        assert [image.get_array().shape for ax in axes for image in ax.images] == [(4, 4)] * 5 and not any(ax.axison for ax in axes)
        plt.close()


@pytest.mark.parametrize('a, b, want', [
    (1., 1.0009, True), (1., 1.0011, False), (0., 9e-6, True), (0., 1.1e-5, False), (tensor([1, 2]), tensor([1, 2]), True), (1000., 1000.5, True),
    (tensor([1., 2]), tensor([1., 3]), False), (torch.zeros(3, 1), torch.zeros(3), False), (torch.zeros(3), 0., False),
    (float('nan'), float('nan'), False), (float('inf'), float('inf'), True), (torch.zeros(0), torch.zeros(0), True), (np.ones(2), torch.ones(2), True)])
def test_near_allows_rounding_and_no_other_shape(a, b, want): assert near(a, b) is want


def test_near_takes_its_tolerance_from_the_second_argument_and_from_the_caller():
    assert near(0., 1., rtol=1, atol=0) and not near(1., 0., rtol=1, atol=0)
    assert near(1., 1.4, rtol=0, atol=.5) and not near(1., 1.6, rtol=0, atol=.5)


def test_images_are_drawn_with_fewer_titles_and_none(plt):
    for titles in (), 'a':
        show_images(torch.rand(3, 4), titles=titles, cols=2, size=1.5)
        assert plt.gcf().get_size_inches()[0] == 3                      # two to a row, each as wide as was asked for
        assert sum(len(ax.images) for ax in plt.gcf().axes) == 3 and ''.join(ax.get_title() for ax in plt.gcf().axes) == ''.join(titles)
        plt.close()
    show_images(torch.rand(1, 4), cols=1)                               # one alone
    assert len(plt.gcf().axes) == 1


def test_images_come_ten_to_a_row_an_inch_wide_from_tensors_arrays_and_lists(plt, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, 'show', lambda: shown.append(plt.gcf()))
    for x in torch.rand(11, 4), np.ones((11, 4)), [[1, 2, 3, 4]] * 11:
        show_images(x)
        fig = shown.pop()
        assert len(fig.axes) == 20 and fig.get_size_inches().tolist() == [10, 2.4]
        plt.close(fig)


@pytest.mark.parametrize('shapes', [((3,), (1,)), ((2, 1), (1, 2)), ((3, 1), (3, 3)), ((2, 3), (3, 2)), ((0,), (0, 2))])
def test_as_many_axes_or_numbers_are_not_the_same_shape(shapes): assert not near(*map(torch.ones, shapes)) and not near(*map(torch.ones, shapes[::-1]))


def test_of_a_file_that_gives_little_at_a_time_all_is_read():
    class Slow(io.BytesIO):
        def read(self, n): return super().read(min(n, 3))
    assert [read_up_to(Slow(b'0123456789'), n) for n in (0, 2, 8, 10, 99)] == [b'', b'01', b'01234567', b'0123456789', b'0123456789']


def test_test_near_passes_its_tolerances_on_and_shows_both_sides():
    test_near(1., 1.4, rtol=0, atol=.5)
    for far in (1.5e-5, 1.0015):
        with pytest.raises(AssertionError): test_near(far, float(round(far)))
    with pytest.raises(AssertionError, match='near:\n  got  .*1.*\n  want .*2'): test_near(tensor([1.]), tensor([2.]))


@pytest.mark.timing
def test_a_call_that_does_a_hundred_times_the_work_takes_longer():
    x = torch.rand(200_000)
    assert timed(lambda n: [x.sin() for _ in range(n)], 100) > 20 * timed(lambda n: [x.sin() for _ in range(n)], 1)


def test_times_are_per_call_and_in_seconds():
    assert .02 < timed(time.sleep, .02) < .2


def test_the_number_of_threads_is_as_asked_and_left_as_it_was():
    seen, before = [], torch.get_num_threads()
    for threads in {'threads': 2}, {}:
        timed(lambda: seen.append(torch.get_num_threads()), seconds=1e-3, **threads)
    assert list(dict.fromkeys(seen)) == [2, 1] and torch.get_num_threads() == before


def test_as_many_calls_are_made_as_fit_into_the_seconds_that_are_given():
    calls = []
    timed(lambda: calls.append(time.sleep(.01)), seconds=1e-3)
    assert len(calls) < 8                                    # a fifth of a second would hold twenty


@pytest.mark.timing
def test_the_ladder_of_the_lesson_has_its_order():
    torch.manual_seed(0)
    a, b = torch.rand(5, 784), torch.rand(784, 10)
    def row_column(): return [[(a[i] * b[:, j]).sum() for j in range(10)] for i in range(5)]
    def rows(): return [(a[i, :, None] * b).sum(0) for i in range(5)]
    def element(): return [a[0, t] * b[t, 0] for t in range(784)]      # a fiftieth of the three loops
    loops, row, broadcast, at = [timed(f) for f in (element, row_column, rows, lambda: a @ b)]
    assert 50*loops > 20*row > 40*broadcast and 50*loops > 1000*at


# ---- the idx format

def idx(array, kind):
    "The bytes of `array` as an idx file, written independently of the reader."
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f'>{array.ndim}I', *array.shape) + array.tobytes()


@pytest.mark.parametrize('kind, dtype, want', [(0x08, 'u1', torch.uint8), (0x09, 'i1', torch.int8), (0x0b, '>i2', torch.int16),
                                               (0x0c, '>i4', torch.int32), (0x0d, '>f4', torch.float32), (0x0e, '>f8', torch.float64)])
def test_every_type_of_number_is_read_as_it_was_written(tmp_path, kind, dtype, want):
    array = np.array([[1, 2, 100], [3, 4, 5]], dtype)
    (tmp_path/'x').write_bytes(idx(array, kind))
    x = read_idx(tmp_path/'x')
    assert x.dtype == want and x.tolist() == [[1, 2, 100], [3, 4, 5]]


@pytest.mark.parametrize('shape', [(), (1,), (0,), (7,), (2, 1, 3), (2, 3, 1, 2)])
@pytest.mark.parametrize('pack', [bytes, gzip.compress])
def test_any_number_of_dimensions_is_read_gzipped_or_not(tmp_path, shape, pack):
    array = np.arange(np.prod(shape, dtype=int), dtype='u1').reshape(shape)
    (tmp_path/'x').write_bytes(pack(idx(array, 8)))
    assert np.array_equal(read_idx(str(tmp_path/'x')).numpy(), array)


GOOD = idx(np.arange(6, dtype='u1').reshape(2, 3), 8)
LONG = gzip.compress(idx(np.frombuffer(BODY, 'u1'), 8))
BAD = {'an empty file': (b'', 'not an idx file'), 'three bytes': (b'\0\0\x08', 'not an idx file'), 'a PNG': (b'\x89PNG\r\n', 'not an idx file'),
       'an unknown type': (b'\0\0\x07\x01\0\0\0\0', 'not an idx file'), 'a first byte that is not zero': (b'\x01' + GOOD[1:], 'not an idx file'),
       'half a header': (GOOD[:9], 'cut short: 9 bytes of a header of 12'), 'a header without its last byte': (GOOD[:11], 'cut short: 11 bytes of a header of 12'),
       'a byte missing': (GOOD[:-1], r'17 bytes, its header \(2, 3\) promises 18'), 'a byte to spare': (GOOD + b'x', r'bytes to spare, its header \(2, 3\) promises 18'), 'a zipped byte to spare': (gzip.compress(GOOD + b'x'), 'bytes to spare'),
       'a zipped byte missing': (gzip.compress(GOOD[:-1]), '17 bytes'), 'a table of four-byte numbers cut in one': (idx(np.zeros(3, '>i4'), 0x0c)[:-2], r'18 bytes, its header \(3,\) promises 20'),
       'half a gzip': (gzip.compress(GOOD)[:20], 'damaged gzip'), 'a gzip without its checksum': (gzip.compress(GOOD)[:-8], 'damaged gzip'),
       'a gzip with a wrong checksum': (gzip.compress(GOOD)[:-8] + bytes(8), 'damaged gzip: CRC check failed'), 'a gzip with a wrong end': (LONG[:-6] + b'abcdef', 'damaged gzip'), 'a gzip with a wrong byte': (LONG[:1000] + b'x' + LONG[1001:], 'damaged gzip')}


@pytest.mark.parametrize('raw, message', BAD.values(), ids=BAD)
def test_a_damaged_file_is_refused_by_name(tmp_path, raw, message):
    (tmp_path/'file').write_bytes(raw)
    with pytest.raises(ValueError, match=message) as e: read_idx(tmp_path/'file')
    assert str(tmp_path/'file') in str(e.value)


def peak(f, *args):
    "The most bytes that Python held at once during `f(*args)`, and the ValueError it ended with."
    tracemalloc.start()
    with pytest.raises(ValueError) as e: f(*args)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most, str(e.value)


def test_of_a_gzip_no_more_is_unpacked_than_the_header_promises(tmp_path):
    (tmp_path/'bomb').write_bytes(gzip.compress(idx(np.zeros(5, 'u1'), 8)) + gzip.compress(bytes(2**20)) * 256)
    most, text = peak(read_idx, tmp_path/'bomb')
    assert text == f'{tmp_path/"bomb"}: bytes to spare, its header (5,) promises 13' and most < 2**24


@pytest.mark.parametrize('pack', [bytes, gzip.compress])
def test_a_promise_that_the_file_does_not_keep_costs_no_memory(tmp_path, pack):
    (tmp_path/'x').write_bytes(pack(b'\0\0\x0e\x02' + b'\xff' * 8 + bytes(10)))
    most, text = peak(read_idx, tmp_path/'x')
    assert '22 bytes, its header (4294967295, 4294967295) promises' in text and most < 2**24


def test_a_file_of_several_megabytes_is_read_whole(tmp_path):
    array = np.arange(700_001, dtype='>i4')
    for pack in (bytes, gzip.compress):
        (tmp_path/'x').write_bytes(pack(idx(array, 0x0c)))
        assert torch.equal(read_idx(tmp_path/'x'), torch.arange(700_001, dtype=torch.int32))


def test_a_file_that_is_not_there_is_called_that(tmp_path):
    with pytest.raises(FileNotFoundError): read_idx(tmp_path/'x')


def test_a_disk_that_fails_is_not_called_a_damaged_gzip(tmp_path, monkeypatch):
    def fail(file, n): raise OSError('the disk fails')
    monkeypatch.setattr(nb_01, 'read_up_to', fail)
    (tmp_path/'x').write_bytes(gzip.compress(GOOD))
    with pytest.raises(OSError, match='the disk fails'): read_idx(tmp_path/'x')


def test_what_is_read_can_be_written_to(tmp_path):
    for kind, dtype in ((8, 'u1'), (0x0c, '>i4')):
        (tmp_path/'x').write_bytes(idx(np.arange(6, dtype=dtype), kind))
        x = read_idx(tmp_path/'x')
        x += 1
        assert x.sum() == 21


@pytest.mark.parametrize('name, shape, raw_sha', [
    ('train-images-idx3-ubyte.gz', (60000, 28, 28), 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db'),
    ('train-labels-idx1-ubyte.gz', (60000,), '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5'),
    ('t10k-images-idx3-ubyte.gz', (10000, 28, 28), '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7'),
    ('t10k-labels-idx1-ubyte.gz', (10000,), 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2')])
def test_mnist_is_the_original_byte_for_byte(name, shape, raw_sha):
    path = data_file(MNIST, name)
    assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == raw_sha
    assert read_idx(path).shape == shape


# ---- where files are found

@pytest.mark.parametrize('dataset', [MNIST, FASHION_MNIST], ids=lambda dataset: dataset['name'])
def test_the_files_of_a_dataset_are_found_with_the_package_without_a_connection(dataset, monkeypatch):
    monkeypatch.setattr(nb_01, 'download', None)
    assert all(data_file({**dataset, 'system': []}, name).is_file() for name in dataset['sha256'])


def test_fashion_mnist_is_the_file_that_its_authors_published_byte_for_byte():
    found = {name: hashlib.sha256(data_file(FASHION_MNIST, name).read_bytes()).hexdigest() for name in FASHION_MNIST['sha256']}
    assert found == FASHION_MNIST['sha256']


def test_the_pictures_of_clothes_are_as_many_and_as_large_as_the_digits():
    shapes = {name: tuple(read_idx(data_file(FASHION_MNIST, name)).shape) for name in FASHION_MNIST['sha256']}
    assert [*shapes.values()] == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]


def test_a_file_that_the_system_keeps_is_found_without_a_connection(monkeypatch, tmp_path):
    monkeypatch.setattr(nb_01, 'download', None)
    (tmp_path/'t10k-labels-idx1-ubyte.gz').write_bytes(b'')
    assert data_file({**FASHION_MNIST, 'name': 'elsewhere', 'system': [str(tmp_path)]}, 't10k-labels-idx1-ubyte.gz').parent == tmp_path


@pytest.mark.parametrize('dataset, system', [(MNIST, []), (FASHION_MNIST, ['/usr/share/datasets/fashion-mnist'])], ids=['mnist', 'fashion'])
def test_a_dataset_has_two_mirrors_and_the_folder_of_its_debian_package(dataset, system):
    assert dataset['system'] == system and len({mirror.split('/')[2] for mirror in dataset['mirrors']}) == 2
    assert all(mirror.startswith('http') and mirror.endswith('/') for mirror in dataset['mirrors'])


@pytest.mark.parametrize('place', ['exp/data', 'data'])
def test_a_file_is_found_in_the_package_and_beside_it(monkeypatch, tmp_path, place):
    monkeypatch.setattr(nb_01, 'download', None)
    monkeypatch.setattr('exp.__file__', str(tmp_path/'exp'/'__init__.py'))
    name = 't10k-labels-idx1-ubyte.gz'
    (tmp_path/place/'mnist').mkdir(parents=True)
    (tmp_path/place/'mnist'/name).write_bytes(b'')
    assert data_file(MNIST, name) == tmp_path/place/'mnist'/name


def test_a_file_that_is_gone_and_has_no_other_address_is_an_error_that_says_where_it_was_looked_for(monkeypatch):
    monkeypatch.setattr(nb_01, 'download', None)
    name = 't10k-labels-idx1-ubyte.gz'
    with pytest.raises(FileNotFoundError, match=f"elsewhere: {name} is in none of .*elsewhere', '/nowhere'"):
        data_file({**FASHION_MNIST, 'name': 'elsewhere', 'system': ['/nowhere'], 'mirrors': []}, name)


def test_anything_else_is_downloaded_from_the_mirrors_into_a_folder_of_its_own(monkeypatch):
    monkeypatch.setattr(nb_01, 'download', lambda *args: args)
    name = 't10k-labels-idx1-ubyte.gz'
    urls, sha256, folder = data_file({**FASHION_MNIST, 'name': 'elsewhere', 'system': []}, name)
    assert urls == [mirror + name for mirror in FASHION_MNIST['mirrors']] and len(urls) > 1
    assert (sha256, folder) == (FASHION_MNIST['sha256'][name], 'elsewhere')


def test_a_name_that_is_not_in_the_dataset_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="mnist: no file 'train.gz', only .*train-images"): data_file(MNIST, 'train.gz')


@pytest.mark.parametrize('dataset', [MNIST, FASHION_MNIST])
def test_every_file_of_a_dataset_has_a_hash_of_its_own(dataset):
    hashes = dataset['sha256'].values()
    assert len(set(hashes)) == 4 and all(len(bytes.fromhex(h)) == 32 for h in hashes)


# ---- downloads, from a server that misbehaves

class Server(BaseHTTPRequestHandler):
    "Answers by the first part of the path; `asked` counts the requests."
    asked = []

    def do_GET(self):
        how = self.path.split('/')[1]
        self.asked.append(how)
        if how in ('404', '503'): return self.send_error(int(how))
        if how == 'flaky' and self.asked.count('flaky') == 1: return self.send_error(503)
        body = b'something else' if how == 'wrong' else BODY
        self.send_response(200)
        if how != 'endless': self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if how == 'silent': return sleep(1.5)
        if how == 'slow':
            for i in range(0, len(body), 2**17):
                self.wfile.write(body[i:i + 2**17])
                sleep(.1)
            return
        self.wfile.write(body[:1000] if how == 'cut' else body)

    def log_message(self, *args): pass


@pytest.fixture
def url(tmp_path, monkeypatch):
    "A function from a way of misbehaving to an address; the cache is an empty folder, and waiting costs no time."
    monkeypatch.setenv('EXP_DATA', str(tmp_path/'cache'))
    monkeypatch.setattr(nb_01.time, 'sleep', lambda seconds: sleep(min(seconds, .15)))
    Server.asked = []
    server = ThreadingHTTPServer(('127.0.0.1', 0), Server)
    threading.Thread(target=server.serve_forever, args=(.01,), daemon=True).start()
    yield lambda how: f'http://127.0.0.1:{server.server_port}/{how}/file.bin'
    server.shutdown()


def test_without_a_name_of_a_folder_the_cache_is_the_systems_for_this_course(url, tmp_path, monkeypatch):
    monkeypatch.delenv('EXP_DATA')
    monkeypatch.setattr('pooch.os_cache', lambda project: tmp_path/'system'/project)
    assert download([url('good')], SHA, 'mnist') == tmp_path/'system'/'exp'/'mnist'/'file.bin'


def test_a_download_that_goes_well_says_nothing_but_its_bar(url, capfd):
    import pooch
    pooch.get_logger().setLevel('INFO')                      # as it is before
    download([url('endless')], SHA)                          # of a length that is not known, so without a bar
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize('how', ['good', 'slow', 'flaky', 'endless'])
def test_a_download_arrives_whole_and_alone(url, tmp_path, how):
    path = download([url(how)], SHA)
    assert path == tmp_path/'cache'/'file.bin' and path.read_bytes() == BODY
    assert os.listdir(path.parent) == ['file.bin']


@pytest.mark.parametrize('how', ['404', '503', 'cut', 'wrong', 'silent'])
def test_the_next_mirror_is_asked_when_one_fails(url, how):
    assert download([url(how), url('good')], SHA, timeout=.5).read_bytes() == BODY
    assert Server.asked == [how, 'good']


@pytest.mark.parametrize('how, reason', [('404', '404'), ('503', '503'), ('cut', 'cut/file.bin'), ('wrong', 'SHA256'), ('silent', 'timed out')])
def test_when_all_fail_every_reason_is_told_and_nothing_is_left_behind(url, tmp_path, how, reason):
    with pytest.raises(OSError, match=f'no mirror gave file.bin with SHA-256 {SHA[:8]}') as e: download([url(how)], SHA, timeout=.3)
    assert str(e.value).count(reason) >= 2 and Server.asked == [how, how]
    assert os.listdir(tmp_path/'cache') == []


def test_between_the_rounds_there_is_a_pause_of_a_second(url, monkeypatch):
    pauses = []
    monkeypatch.setattr(nb_01.time, 'sleep', pauses.append)
    with pytest.raises(OSError) as e: download([url('404'), url('503')], SHA, rounds=3)
    assert pauses == [1, 1] and Server.asked == ['404', '503'] * 3
    assert [line.split()[0] for line in str(e.value).splitlines()[1:]] == [url('404') + ':', url('503') + ':'] * 3


def test_a_mirror_is_given_half_a_minute_of_silence(monkeypatch):
    class Asked(Exception): pass
    def asked(**kw): raise Asked(kw['timeout'])
    monkeypatch.setattr('pooch.HTTPDownloader', asked)
    with pytest.raises(Asked, match='^30$'): download(['http://x/file.bin'], SHA)


def test_a_file_in_the_cache_is_not_asked_for_again(url):
    download([url('good')], SHA)
    download([url('good')], SHA)
    assert Server.asked == ['good']


def test_a_damaged_file_in_the_cache_is_replaced(url):
    path = download([url('good')], SHA)
    path.write_bytes(BODY[:100])
    assert download([url('good')], SHA).read_bytes() == BODY


def test_two_datasets_with_the_same_file_names_do_not_share_a_folder(url, tmp_path):
    assert download([url('good')], SHA, folder='fashion-mnist') == tmp_path/'cache'/'fashion-mnist'/'file.bin'


@pytest.fixture
def drawn(monkeypatch):
    "What fastprogress has been told to draw: (done, total), and so on."
    seen = []
    monkeypatch.setattr('fastprogress.fastprogress.progress_bar', lambda gen: type('Bar', (), {'update': lambda self, n: seen.append((n, len(gen)))})())
    return seen


def test_the_bar_is_drawn_from_nothing_to_all_and_stays_there(drawn):
    bar = DownloadBar()
    bar.total = 10
    for count in 4, 5, 3, 1: bar.update(count)
    assert drawn == [(0, 10), (4, 10), (9, 10), (10, 10)]


def test_the_progress_bar_reaches_the_end_and_never_passes_it(url, drawn):
    download([url('slow')], SHA)
    assert drawn[0] == (0, len(BODY)) and drawn[-1] == (len(BODY), len(BODY)) and drawn == sorted(set(drawn)) and len(drawn) > 3
