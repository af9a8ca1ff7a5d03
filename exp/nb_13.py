# Generated from nbs/13_scale.ipynb
# Do not edit: change the notebook, then run notebook2script.py.

# ---
#
# %% nbs/13_scale.ipynb 448ede37
import argparse, atexit, contextlib, copy, datetime, hashlib, itertools, os, random, sys, time, traceback
import numpy as np, torch, torch.distributed as dist
from torch.utils.data import DataLoader, IterableDataset
from exp.nb_01 import FASHION_MNIST, MNIST
from exp.nb_02 import get_data, normalize
from exp.nb_04 import BatchLoader, Dataset, accuracy, get_dls
from exp.nb_04a import Callback, CancelBatch, CancelEpoch
from exp.nb_05 import Learner, Means, MetricsCallback, contents, examples, map_tensors, one_per_example, refill
from exp.nb_05a import TableCallback, batches_in
from exp.nb_05b import Checkpoint, fit_objects, fit_state, set_fit_state
from exp.nb_11 import ResNet

# ---
# trained
# %% nbs/13_scale.ipynb 05b0e087
def trained(learn):
    "The parameters that the optimiser of `learn` may change, in its order."
    return [p for group in learn.opt.param_groups for p in group['params'] if p.requires_grad]

# ---
# buckets
# %% nbs/13_scale.ipynb 8e883cdb
def buckets(tensors, most=25 * 2**20):
    "Lists of neighbours among `tensors` of one type on one device, with up to `most` bytes each, or a single larger one."
    out, room = [], 0
    for t in tensors:
        if not out or t.nbytes > room or (t.dtype, t.device) != kind: out, room, kind = [*out, []], most, (t.dtype, t.device)
        out[-1].append(t)
        room -= t.nbytes
    return out

def sum_over_ranks(tensors, most=25 * 2**20):
    "The sums over all ranks of `tensors`, of which each brings as many of the same shapes; sent in `buckets`."
    some = buckets(tensors, most)
    flat = [torch.cat([t.reshape(-1) for t in bucket]) for bucket in some]
    for work in [dist.all_reduce(f, async_op=True) for f in flat]: work.wait()
    parts = itertools.chain(*[f.split([t.numel() for t in bucket]) for f, bucket in zip(flat, some)])
    return [part.view_as(t) for part, t in zip(parts, tensors)]

# ---
# number
# %% nbs/13_scale.ipynb 5fd0c43f
def number(text):
    "A whole number below 2**32 that stands for `text`."
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], 'big')

# ---
# Joined
# %% nbs/13_scale.ipynb 2c0d6429
class Joined:
    "The processes that torchrun has started: this is number `rank` of `size`; a plain process is 0 of 1."
    fits, together, parted = 0, False, False            # fits begun; all have met so far; the group is closed for good
    def __init__(self, timeout=600.):
        if dist.is_torchelastic_launched() and not dist.is_initialized() and not self.parted:
            if cuda := torch.cuda.device_count() >= int(os.environ['LOCAL_WORLD_SIZE']): torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
            wait, how = datetime.timedelta(seconds=timeout), 'cpu:gloo,cuda:nccl' if cuda else 'gloo'
            again = os.environ.get('TORCHELASTIC_RESTART_COUNT', 0) if os.environ.get('GROUP_WORLD_SIZE', '1') == '1' else ''
            store, rank, size = next(dist.rendezvous('env://', timeout=wait))          # it may hold keys of the workers before
            dist.init_process_group(how, None, wait, size, rank, dist.PrefixStore(f'start {again}', store))
            atexit.register(lambda: dist.is_initialized() and dist.destroy_process_group())     # threads of gloo that outlive Python abort
            dist.all_reduce(torch.zeros(1))                     # who is connected first may not leave before the others are
        self.rank, self.size, self.store = (dist.get_rank(), dist.get_world_size(), dist.distributed_c10d._get_default_store()) if dist.is_initialized() else (0, 1, None)
    def key(self, what, rank): return f'fit {self.fits}: {what} {rank}'
    @contextlib.contextmanager
    def naming(self):
        try: yield
        except RuntimeError as e:
            self.together, Joined.parted = False, True
            traceback.clear_frames(e.__traceback__)            # they hold the group, whose end closes the lines:
            dist.destroy_process_group()                       # whoever waits for us notices
            self.store.set(self.key('waited', self.rank), '')
            missing = [rank for rank in range(self.size) if not self.came(rank)]
            raise RuntimeError(f'rank {" and ".join(map(str, missing))} has not come: it hangs, or is gone' if missing else 'this rank came too late: the others have gone') from e
    def came(self, rank): return any(self.store.check([self.key('waited', rank)]) or time.sleep(.02) for _ in range(150))

# ---
# Ranks
# %% nbs/13_scale.ipynb 54a32daf
class Ranks(Joined):
    "They meet at places, each a text. RuntimeError names who is elsewhere, is gone, or has not come within `timeout` seconds."
    def meet(self, place, *numbers, why=''):
        "What all ranks say at this `place`, two whole numbers each; the others hear `why` if they are elsewhere."
        mine = torch.tensor([number(place), *(numbers or (0, 0))])
        said = [torch.empty_like(mine) for _ in range(self.size)]
        with self.naming(): dist.all_gather(said, mine)
        if all(there[0] == mine[0] for there in said): return [there[1:].tolist() for there in said]
        self.together = False
        self.store.set(self.key('at', self.rank), f'{place}: {why}' if why else place)
        raise RuntimeError('; '.join(f'rank {r} is at {self.store.get(self.key("at", r)).decode()}' for r in range(self.size)))
    def share(self, place, thing):
        "What rank 0 has brought to this `place`."
        box = [self.meet(place) and thing]
        with self.naming(): dist.broadcast_object_list(box, 0)
        return box[0]
    def gather(self, place, thing):
        "A list of what all ranks have brought to this `place`."
        out = self.meet(place)
        with self.naming(): dist.all_gather_object(out, thing)
        return out

# ---
# cut
# %% nbs/13_scale.ipynb 3c25bd6d
def cut(data, n, part):
    """The `part`, a slice, of a batch `data` of `n` examples: of each tensor of length n in it, and of each list with something
    for each example. TypeError for a packed sequence."""
    if isinstance(data, torch.nn.utils.rnn.PackedSequence): raise TypeError('a packed sequence cannot be cut: pack it in the model')
    if (torch.is_tensor(data) and data.ndim or one_per_example(data)) and len(data) == n: return data[part]
    parts = contents(data)
    return data if parts is None else refill(data, {key: cut(x, n, part) for key, x in parts.items()})

# ---
# share_of
# %% nbs/13_scale.ipynb 4543d2ad
def share_of(n, rank, size):
    "The slice of `n` examples that `rank` takes, of `size` ranks: neighbours, a fair share, the first ranks one more."
    share, more = divmod(n, size)
    return slice(share*rank + min(rank, more), share*(rank + 1) + min(rank + 1, more))

# ---
# order_of
# %% nbs/13_scale.ipynb 904cacef
def order_of(dl):
    "The numbers of the examples in each batch of a BatchLoader, or a DataLoader of examples by number; None for any other loader."
    if type(dl) is BatchLoader:
        numbers = copy.copy(dl)
        numbers.ds, numbers.workers = torch.arange(len(dl.ds)), None
        return [batch.tolist() for batch in numbers]
    if type(dl) is DataLoader and dl.batch_sampler is not None and not isinstance(dl.dataset, IterableDataset):
        return [*DataLoader(range(2**62), batch_sampler=dl.batch_sampler, generator=dl.generator, collate_fn=list)]

# ---
# Shard
# %% nbs/13_scale.ipynb 7eb15c8e
class Shard:
    "This rank's part of each batch of the loader `dl`, fetched with workers seeded by `key`, or sent by rank 0; `empty`: none was left."
    empty, how = False, 'num_workers collate_fn pin_memory timeout worker_init_fn multiprocessing_context prefetch_factor'.split()
    def __init__(self, dl, ranks, place, key): self.dl, self.ranks, self.place, self.key = dl, ranks, place, key
    def __len__(self): return len(self.dl)
    def __iter__(self):
        order = self.ranks.share(f'the order of {self.place}', None if self.ranks.rank else order_of(self.dl))
        return self.sent() if order is None else self.fetched(self.dl, order)
    def fetched(self, dl, order):
        wanted = [batch[share_of(len(batch), self.ranks.rank, self.ranks.size)] or batch[:1] for batch in order]
        if type(dl) is DataLoader: how, ds = {name: getattr(dl, name) for name in self.how}, dl.dataset
        else: how, ds = {'num_workers': dl.workers}, dl.ds
        if how['num_workers'] is None: batches = (ds[torch.tensor(numbers)] for numbers in wanted)
        else: batches = DataLoader(ds, batch_sampler=wanted, generator=torch.Generator().manual_seed(number(self.key)), **how)
        for batch, numbers in zip(batches, order):
            self.empty = self.ranks.rank >= len(numbers)
            yield cut(batch, 1, slice(0)) if self.empty else batch
    def sent(self):
        batches = None if self.ranks.rank else iter(self.dl)
        for i in itertools.count(1):
            found = self.ranks.share(f'batch {i} sent for {self.place}', None if self.ranks.rank else [*itertools.islice(batches, 1)])
            if not found: return
            self.empty = self.ranks.rank >= (n := examples(found[0]))
            yield cut(found[0], n, share_of(n, self.ranks.rank, self.ranks.size))

# ---
# leave_out
# %% nbs/13_scale.ipynb ae06f35a
def leave_out(learn, which):
    "No more events of this fit for those of its callbacks of which `which` is true; it may be called in its `setup`."
    for methods in learn.calls.values():
        methods[:] = [None if which(cb) else method for cb, method in zip(learn.active, methods)]
    learn.heard.update({event: [*filter(None, methods)] for event, methods in learn.calls.items()})

def reseed(learn, key):
    "Starts all random generators, the global ones and those of the fit, from the text `key`."
    for name, seed in (('python', random.seed), ('numpy', np.random.seed), ('torch', torch.manual_seed)): seed(number(f'{key} {name}'))
    for name, g in fit_objects(learn, learn.active)['generators'].items():
        seed = number(f'{key} {name}')
        if isinstance(g, np.random.Generator): g.bit_generator.state = type(g.bit_generator)(seed).state
        else: (g.manual_seed if isinstance(g, torch.Generator) else g.seed)(seed)

# ---
# InStep
# %% nbs/13_scale.ipynb cc8cabf5
class InStep(Callback):
    "The frame of a fit on several `ranks`: one speaks, all begin alike, and all end together."
    order, fits_only, stack = -15, True, contextlib.ExitStack()
    def setup(self, learn):
        if self.ranks.parted: raise RuntimeError('the ranks have parted: start them again')
        if self.ranks.size == 1: return leave_out(learn, lambda cb: cb is self)
        self.stack, self.reason, self.empty, self.means = contextlib.ExitStack(), '', False, [cb for cb in learn.active if isinstance(cb, Means)]
        Ranks.fits, self.ranks.together = Ranks.fits + 1, True
        odd = [name for cb in self.means for name, metric in getattr(cb, 'objects', {}).items() if not hasattr(metric, 'sync')]
        if odd: raise TypeError(f'Distributed: the metric {odd[0]} has no `sync`, wanted a function or an object of torchmetrics')
        self.listen(learn, learn.placed)
        if self.ranks.rank:
            self.stack.enter_context(contextlib.redirect_stdout(self.stack.enter_context(open(os.devnull, 'w'))))
            leave_out(learn, lambda cb: isinstance(cb, self.alone))
    def listen(self, learn, placed):
        "Notes why the fit ends, which no event tells, and skips the model where a rank has no example."
        def note(*raised):
            if not isinstance(e := placed(*raised), (CancelBatch, CancelEpoch)): self.reason = str(e) or type(e).__name__
            return e
        def look(*_):
            if self.empty: raise CancelBatch
        learn.placed = note
        self.stack.callback(delattr, learn, 'placed')
        self.stack.callback(learn.model.register_forward_pre_hook(look).remove)
    def before_fit(self, learn):
        state = None if self.ranks.rank else map_tensors(torch.Tensor.cpu, fit_state(learn, learn.active))
        state = learn.epoch, learn.first_row, learn.history, state
        learn.epoch, learn.first_row, learn.history[:], state = self.ranks.share('the start of the fit', state)
        if self.ranks.rank: set_fit_state(learn, learn.active, state)
    def teardown(self, learn):
        self.stack.close()
        if not self.ranks.together: return
        with contextlib.nullcontext() if learn.whole else contextlib.suppress(RuntimeError):
            self.ranks.meet('the end of the fit' if learn.whole else 'an early end of the fit', why=self.reason)

# ---
# Distributed
# %% nbs/13_scale.ipynb fe239857
class Distributed(InStep):
    """Trains on the ranks that torchrun has started as one process would: each takes its part of every batch, gradients and losses
    are means over the examples of all, rank 0 alone prints and has callbacks of the classes `alone`. (What a layer computes over its
    batch is over a part.) In a plain process it does nothing. RuntimeError on all ranks when one fails or does not come within
    `timeout` seconds. TypeError: a metric that cannot be joined."""
    def __init__(self, timeout=600., alone=(Checkpoint, TableCallback)): self.ranks, self.alone = Ranks(timeout), alone
    def before_train(self, learn):
        state = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
        self.key = f'{self.ranks.share(f"the start of epoch {learn.epoch + 1}", state)} {learn.epoch} {self.ranks.rank}'
        if self.ranks.rank: reseed(learn, self.key)
        self.before_validate(learn)
    def before_validate(self, learn):
        place = f'{"training" if learn.training else "validation"} in epoch {learn.epoch + 1}'
        for b, same in zip(learn.model.buffers(), self.ranks.share(f'the start of {place}', [b.cpu() for b in learn.model.buffers()])): b.copy_(same)
        learn.dl = Shard(learn.dl, self.ranks, place, f'{self.key} {place}')
    def before_batch(self, learn): self.empty, self.met, self.place = learn.dl.empty, False, f'batch {learn.batch + 1} of {learn.dl.place}'
    def after_backward(self, learn):
        n, params = 0 if self.empty else examples(learn.yb, learn.xb), trained(learn)
        counts, last = zip(*self.ranks.meet(self.place, vars(learn).pop('accumulated', n), n))
        loss = params[0].new_zeros(()) if self.empty else learn.loss.detach().to(params[0]).reshape(()) * (n / sum(last))
        some, share = params[0].new_tensor([p.grad is not None for p in params]), counts[self.ranks.rank] / sum(counts)
        grads = [torch.zeros_like(p) if p.grad is None else p.grad * share for p in params]
        with self.ranks.naming(): learn.loss, some, *grads = sum_over_ranks([loss, some, *grads])
        for i, p in enumerate(params): p.grad = grads[i] if p.grad is not None or some[i] else None
        self.met = True
    def after_batch(self, learn):
        "A rank without examples joins the step of the others."
        if self.empty and learn.training and learn.whole and not self.met:
            with contextlib.suppress(CancelBatch):
                learn.call('after_backward')
                learn.step('do_step', 'after_step')
        self.empty = False
    def after_epoch(self, learn):
        if not learn.whole: return
        mine = [{name: (cb.mean(*zip(*pairs)), sum(n for _, n in pairs)) for name, pairs in cb.values.items()} for cb in self.means]
        for cb, *rows in zip(self.means, *self.ranks.gather(f'the end of epoch {learn.epoch + 1}', mine)):
            cb.values = {}
            for name, (mean, n) in itertools.chain(*map(dict.items, rows)): cb.add(name, torch.tensor(mean, dtype=torch.float64), n)

# ---
# TextBar
# %% nbs/13_scale.ipynb 317d0215
class TextBar(TableCallback):
    "A TableCallback that in a terminal also counts the batches of the epoch, on a line that is written over."
    def after_batch(self, learn):
        if sys.stderr.isatty(): print(f'\r{learn.batch + 1:>12} / {batches_in(learn.dl)} ', end='\r', file=sys.stderr, flush=True)

# ---
# OPTIONS
# %% nbs/13_scale.ipynb 440b326b
OPTIONS = {'epochs': (2, 'times through the training set'), 'bs': (256, 'examples in a batch, all ranks together'), 'lr': (.2, 'learning rate'),
           'mnist': (0, '1: digits instead of clothes'), 'examples': (50_000, 'to train on, and at most to validate on'), 'seed': (0, 'of weights and order'),
           'folder': ('', 'of checkpoints, from which a fit goes on'), 'timeout': (600., 'seconds to wait for a rank')}

# ---
# main
# %% nbs/13_scale.ipynb cd3255b2
def main(argv=None):
    "Trains a ResNet on Fashion-MNIST or MNIST, on the ranks that torchrun has started or in one process; returns the Learner."
    parser = argparse.ArgumentParser('exp.nb_13', 'torchrun --nproc-per-node 2 -m exp.nb_13 --epochs 2', main.__doc__)
    for name, (value, text) in OPTIONS.items(): parser.add_argument(f'--{name}', type=type(value), default=value, help=f'{text} ({value!r})')
    args = parser.parse_args(argv)
    cbs = [Distributed(args.timeout), MetricsCallback(accuracy=accuracy), TextBar()] + [Checkpoint(args.folder)] * bool(args.folder)
    x, y, x_valid, y_valid = get_data(MNIST if args.mnist else FASHION_MNIST)
    x, y, mean, std = x[:args.examples], y[:args.examples], x.mean(), x.std()
    train, valid = [Dataset(normalize(a, mean, std).reshape(-1, 1, 28, 28), b) for a, b in ((x, y), (x_valid[:args.examples], y_valid[:args.examples]))]
    torch.manual_seed(args.seed)
    model = ResNet(1, 10, (8,), (8, 16, 32), stem_stride=2, norm=None)
    return Learner(model, get_dls(train, valid, args.bs, seed=args.seed), lr=args.lr, cbs=cbs).fit(args.epochs)

# ---
#
# %% nbs/13_scale.ipynb d89e0164
if __name__ == '__main__' and getattr(__spec__, 'name', '') == 'exp.nb_13':     # started by -m; a notebook has no such name
    from torch.distributed.elastic.multiprocessing.errors import record
    record(main)()

# ---
