"Answers to the exercises of lesson 06a."
def copies(*lines): return 'def with_copies(ds):\n' + '\n'.join('    ' + line for line in lines)
def images(by, cat='cat', tail=''): return f'x = torch.{cat}([moved(ds.x, by) for by in {by}]){tail}'
def worst(inside, end='return '): return f'def worst_digit(model):\n    said = probabilities(model, x_test).argmax(1)\n    {end}min({inside} for d in range(10))'
def upside(turned, end='return (probabilities(model, turned).argmax(1) == y_test).float().mean().item()'): return f'def right_upside_down(model):\n    turned = x_test.reshape(-1, 28, 28){turned}.reshape(-1, 784)\n    {end}'


REFUSE, P_VALID = '(sure < threshold({}, {}, .005)).float().mean().item()', 'probabilities(learn.model, valid_ds.x)'
ALL, MAKE = "['right', 'right, worst digit', 'sure', 'right, moved by a pixel']", 'return Dataset(x, ds.y.repeat(3))'
SHARE = '(said[y_test == d] == d).float().mean().item()'
ANSWERS = {
    1: ([f'refused_for_half = {REFUSE.format(P_VALID, "y_valid")}', f'refused_for_half = 1 - (p_test.amax(1) >= threshold({P_VALID}, valid_ds.y, 1/200)).double().mean()'],
        [('refused_for_half = refused', 'that is for one in a hundred'), (f'refused_for_half = 1 - {REFUSE.format(P_VALID, "y_valid")}', 'the share that it answers'), (f'refused_for_half = 100 * {REFUSE.format(P_VALID, "y_valid")}', 'not percent'),
         (f'refused_for_half = {REFUSE.format("p_test", "y_test")}', 'chosen on the test set'), (f'refused_for_half = threshold({P_VALID}, y_valid, .005)', 'that is the threshold'), (f'refused_for_half = ({P_VALID}.amax(1) < threshold({P_VALID}, y_valid, .005)).float().mean()', 'the share of the validation set'),
         (f'refused_for_half = {REFUSE.format(P_VALID, "y_valid").replace(".float().mean()", ".sum()")}', 'a count and not a share'), ('refused_for_half = "x"', 'its type is str'), ('refused_for_half = [1]', 'its type is list')]),
    2: ([copies(images('(-2, 0, 2)'), MAKE), copies(images('(0, 2, -2)', 'stack', '.transpose(0, 1).reshape(-1, 784)'), 'return Dataset(x, ds.y.repeat_interleave(3))')],
        [(copies(images('(0, 2)'), 'return Dataset(x, ds.y.repeat(2))'), 'copies moved to the left by two'), (copies(images('(-2, 2)'), 'return Dataset(x, ds.y.repeat(2))'), 'those that were not moved'), (copies(images('(-1, 0, 1)'), MAKE), 'copies moved to the left by two'),
         (copies(images('(-2, 0, 2)'), 'return Dataset(x, ds.y.repeat_interleave(3))'), 'with the targets of others'), (copies(images('(-2, 0, 2)'), 'return Dataset(x, ds.y)'), 'Dataset: 21 inputs and 7 targets'), (copies(images('(-2, 0, 2)'), 'Dataset(x, ds.y.repeat(3))'), 'is there a `return`'),
         (copies(images('(-2, 0, 2)'), 'return x, ds.y.repeat(3)'), 'wanted a Dataset, got tuple'), (copies(images('(-2, 0, 2, 2)'), 'return Dataset(x, ds.y.repeat(4))'), 'it makes 28, wanted 21'), (copies(images('(-2, 0)'), 'return Dataset(x, ds.y.repeat(2))'), 'copies moved to the right by two'),
         (copies('ds.x.copy_(moved(ds.x, 2))', 'return ds'), 'the digits that were given are changed'), (copies(images('(-2, 0, 2)'), 'return Dataset(train_ds.x, train_ds.y)'), 'those that were not moved'), (copies(images('(-2, 0, 2)'), MAKE.replace('ds.y', 'ds.z')), "no attribute 'z'"),
         (copies(images('(-2, 0, 2)', 'stack'), 'return Dataset(x, ds.y[:3])'), 'those that were not moved')]),
    3: ([worst(SHARE), "worst_digit = lambda model: examine(model)['right, worst digit']", worst('(said == y_test)[y_test == d].double().mean()'), worst('((said == d) & (y_test == d)).sum() / (y_test == d).sum()')],
        [('worst_digit = worst_digit_wrong', 'it asks for those that were called d'), (worst('(y_test[said == d] == d).float().mean().item()'), 'it gives'), (worst(SHARE).replace('range(10))', 'range(10) if (said == d).any())'), 'never said is left out'), (worst(SHARE).replace('return min', 'return max'), 'that is the best digit'),
         (worst(SHARE, ''), 'is there a `return`'), ("worst_digit = lambda model: examine(model)['right']", 'the share of all digits'), (worst('((said == d) & (y_test == d)).float().mean()'), 'not of all ten thousand'), (worst(SHARE).replace('return min', 'return 1 - min'), 'the share of wrong ones'),
         ('worst_digit = 3', 'not callable'), (worst(SHARE.replace('y_test', 'y_tets')), 'y_tets'), ('def worst_digit(model): return sum(shares(model)) / 10', 'the mean over the digits')]),
    4: ([f'failed = {ALL}', f'failed = set({ALL})', f'failed = sorted({ALL})'],
        [("failed = ['right, worst digit']", 'a tenth of all digits are sevens'), ('failed = []', 'a tenth of all digits'), ("failed = ['right', 'right, worst digit']", 'how many can it be sure of'), ("failed = ['right', 'right, worst digit', 'sure']", 'are moved sevens read'),
         (f"failed = [*{ALL}, 'right when sure']", 'it has learned to doubt sevens'), ("failed = ['right when sure']", 'those are the ones that it passes'), ('failed = ["seven"]', "'seven' is not a demand"), ('failed = 4', 'its type is int'), ("failed = 'right'", 'its type is str')]),
    5: ([upside('.flip(1, 2)'), 'def right_upside_down(model): return accuracy(probabilities(model, x_test.flip(1)), y_test)', upside('.rot90(2, (1, 2))')],
        [(upside(''), 'nothing was turned'), (upside('.flip(1)'), 'only up and down'), (upside('.flip(2)'), 'only left and right'), (upside('.rot90(1, (1, 2))'), 'a quarter of a turn'), (upside('.transpose(1, 2)'), 'rows and columns'),
         (upside('.flip(0)'), 'the order of the images'), (upside('.flip(1, 2)', '(probabilities(model, turned).argmax(1) == y_test).float().mean()'), 'is there a `return`'), (upside('.flip(1, 2)', 'return (probabilities(model, turned).argmax(1) != y_test).float().mean()'), 'the share of wrong ones'),
         (upside('.flip(1, 2)', 'return (probabilities(model, turned).argmax(1) == y_test)'), 'its type is Tensor, wanted float'), ('right_upside_down = 1', 'not callable'), (upside('.flip(1, 2)', 'return accuracy(probabilities(model, turn), y_test)'), "name 'turn' is not defined")]),
}
