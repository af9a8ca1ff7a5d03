"Answers to the exercises of lesson 04a."
def counts(method, start='    def __init__(self): self.seen = 0\n'): return 'class CountExamples(Callback):\n' + start + method
def every(event, condition, kind='CancelBatch'): return f'class EverySecond(Callback):\n    def {event}(self, loop):\n        if {condition}: raise {kind}'
def step(*lines, name='do_step'): return f'class SignDescent(Callback):\n    def {name}(self, loop):\n' + '\n'.join('        ' + line for line in lines)
def worst(update, start='torch.tensor(0.)', opening='before_epoch'):
    return f'class WorstLoss(Callback):\n    def {opening}(self, loop): self.worst = {start}\n    def after_loss(self, loop):\n        {update}'


RATE, NO_GRAD, CLEAR = 'lr = loop.opt.param_groups[0]["lr"]', 'with torch.no_grad():', 'loop.opt.zero_grad()'
DOWN = '    for p in loop.model.parameters(): p -= lr * p.grad.sign()'
ANSWERS = {
    1: (['answer = (2, 2, 1, 1, 0)', 'answer = [2, 2, 1, 1, 0]', 'answer = tuple(map(int, "22110"))'],
        [('answer = (2, 1, 1, 1, 0)', 'the second batch gets its after_batch'), ('answer = (2, 1, 1, 0, 0)', 'batch and half get their after-events'),
         ('answer = (2, 2, 1, 0, 0)', 'the training half was opened too'), ('answer = (2, 2, 2, 1, 0)', 'broken off before its step'),
         ('answer = (2, 2, 1, 1, 1)', 'the validation is a part of the epoch'), ('answer = 7', 'its type is int, wanted tuple'), ('answer = (2, 2, 1)', 'its length is 3, wanted 5')]),
    2: ([counts('    def after_batch(self, loop): self.seen += loop.training * len(loop.yb)'), counts('    def after_step(self, loop): self.seen += len(loop.xb)'),
         counts('    def before_batch(self, loop):\n        if loop.training: self.seen += len(loop.yb)'), counts('    def before_train(self, loop): self.seen += len(loop.dl.ds)')],
        [(counts('    def after_batch(self, loop): self.seen += len(loop.yb)'), 'validation examples are counted too'), (counts('    def after_step(self, loop): self.seen += 1'), 'batches are counted, not examples'),
         (counts('    def before_train(self, loop): self.seen = 0\n    def after_step(self, loop): self.seen += len(loop.xb)'), 'only one epoch is counted'), (counts('    pass'), 'nothing is counted'),
         (counts('    def after_steps(self, loop): self.seen += len(loop.xb)').replace('class', 'try:\n  class', 1).replace('\n    ', '\n      ') + '\nexcept TypeError: pass', 'nothing is counted'),
         (counts('    def after_step(self, loop): self.seen += loop.size'), "has no attribute 'size'"), (counts('    def after_step(self, loop): self.seen += 64'), 'it gives'),
         (counts('    def after_step(self, loop): self.seen += len(loop.xb)', ''), "no attribute 'seen'"), (counts('    def after_validate(self, loop): self.seen += len(loop.dl.ds)'), 'that is the validation set')]),
    3: ([every('after_backward', 'loop.batch % 2 == 0'), every('after_backward', 'not loop.batch & 1'), every('after_backward', 'loop.training and loop.batch in (0, 2, 4)')],
        [(every('after_backward', 'loop.batch % 2'), 'batches count from 0'), (every('after_loss', 'loop.batch % 2 == 0'), 'has no gradient yet when it is cancelled'), (every('after_backward', 'True'), 'no step is ever taken'),
         (every('after_backward', 'loop.batch % 2 == 0', 'CancelEpoch'), 'no step is ever taken'), (every('after_step', 'loop.batch % 2 == 0'), 'nothing has changed'), (every('after_backward', 'loop.batch % 2 == 0', 'Cancel'), "name 'Cancel' is not defined"),
         ('EverySecond = 3', 'not callable')]),
    4: ([step(RATE, NO_GRAD, DOWN, CLEAR), step('for p in loop.model.parameters(): p.data -= .1 * p.grad.sign()', CLEAR), step(RATE, 'for p in loop.model.parameters():', '    p.data.sub_(lr * torch.sign(p.grad))', '    p.grad = None')],
        [(step(NO_GRAD, '    for p in loop.model.parameters(): p -= p.grad.sign()', CLEAR), 'the rate is forgotten'), (step(NO_GRAD, '    for p in loop.model.parameters(): p += .1 * p.grad.sign()', CLEAR), 'a step uphill'),
         (step(RATE, NO_GRAD, DOWN), 'the gradients are still there'), (step(RATE, DOWN.strip(), CLEAR), 'a leaf Variable that requires grad'), (step(RATE, NO_GRAD, DOWN, name='after_backward'), 'the ordinary step is taken as well'),
         (step('pass'), 'nothing moves'), (step(RATE, NO_GRAD, '    for p in loop.model.parameters(): p = p - lr * p.grad.sign()', CLEAR), 'nothing moves'), (step(RATE, NO_GRAD, DOWN, CLEAR, name='before_step').replace('class', 'try:\n  class', 1).replace('\n    ', '\n      ') + '\nexcept TypeError: pass', 'the ordinary step is taken')]),
    5: ([worst('if loop.training: self.worst = torch.maximum(self.worst, loop.loss.detach())'), worst('if loop.training: self.worst = max(self.worst, loop.loss.item())', '0.'), worst('if loop.training: self.worst = max(float(loop.loss), self.worst)', '0.')],
        [(worst('if loop.training: self.worst = max(self.worst, loop.loss)'), 'the memory grows'), (worst('self.worst = max(self.worst, loop.loss.item())', '0.', 'before_fit'), 'the worst of the first epoch is still in it'),
         (worst('self.worst = loop.loss.item()'), 'that is the loss of the validation'), (worst('pass', 'None'), 'worst is None'), (worst('pass'), 'nothing was looked at'), (worst('if loop.training: self.worst = loop.loss.detatch()'), 'detatch'),
         (worst('if loop.training: self.worst = loop.loss.detach()'), 'that is the last loss')]),
}
