import torch
from torch.nn import functional as F
from exp.nb_17a import next_probs, token_loss
from registry import Op

TARGETS = {2: torch.tensor([[2, 0, 1], [3, 3, 1]]), 1: torch.tensor([[4]])}
OPS = [
    Op('token_loss', lambda x: token_loss(x, TARGETS[len(x)]), lambda x: F.nll_loss(x.log_softmax(-1).transpose(1, 2), TARGETS[len(x)]), [[(2, 3, 4)], [(1, 1, 5)]]),
    Op('next_probs', lambda x: next_probs(x, temperature=.7), lambda x: F.softmax(x / .7, -1), [[(2, 3)], [(1, 1, 2)]]),
]
NOT_OPS = {'Characters', 'RandomBlocks', 'FeedForward', 'SwiGLU', 'Block', 'places_and_mask', 'GPT', 'renamed', 'from_gpt2', 'from_llama', 'muon_and_adamw',
           'sample', 'first_seen', 'left_padded', 'check_prompts', 'go_on', 'generate', 'write'}
