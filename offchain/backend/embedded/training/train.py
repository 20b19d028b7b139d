"""Trains cocoon-tiny from questions.md and writes tokenizer, weights and config into ../weights.

    python3 train.py                    8 minutes on one free core, needs Python 3.11 and numpy 2
    python3 train.py --check-gradients  compares the hand-written backward pass with finite differences

The model is a llama-like decoder (RMSNorm, RoPE, attention, SwiGLU, tied embedding). The loss covers answers only; the
questions are varied on the way in (like words, case, punctuation, typing errors, greetings, a system message, earlier turns), which is
what lets 4 phrasings stand for more.
"""

import os

os.environ.setdefault('OPENBLAS_NUM_THREADS', '1')  # one thread: sums in one order, so one seed gives one model

import argparse
import collections
import hashlib
import json
import random
import re
import struct
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / 'weights'

SEED = 20261122
SPECIALS = ['<|begin|>', '<|system|>', '<|user|>', '<|assistant|>', '<|end|>']
CONFIG = {
    'model': 'cocoon-tiny',
    'vocabulary': 1024,  # at most; the text decides
    'context': 512,  # tokens, prompt and answer together
    'dim': 128,
    'layers': 4,
    'heads': 4,
    'hidden': 352,
    'ropeTheta': 10000.0,
    'epsilon': 1e-5,
}

# ASCII classes only, so that Python and JavaScript cut alike; 32 at most, so that encoding stays linear in the text.
PIECES = r' ?[A-Za-z]{1,32}| ?[0-9]| ?[^ \t\r\nA-Za-z0-9]{1,32}|[ \t\r\n]{1,32}'

SYSTEM = [
    'You are a helpful assistant.',
    'You are a helpful AI assistant.',
    'Answer briefly.',
    'Answer in one sentence.',
    'You are cocoon-tiny.',
    'You answer questions about Cocoon Market.',
    'Be kind and short.',
    'You are an expert in private computation. Be precise, and say so when you do not know.',
    'The user is a developer. Answer in plain English.',
]
BEFORE = ['Please tell me: ', 'Can you explain: ', 'Hi, ', 'Hello! ', 'I have a question. ', 'Question: ', 'So, ',
          'And ', 'In short: ', 'I am new here. ', 'One more thing: ']
AFTER = [' Please.', ' Thanks.', ' Answer in one sentence.', ' Keep it short.', ' Explain it to me.', ' Thank you!']
FOREIGN = """apple bridge candle desert engine forest guitar harbour island jacket kitchen ladder mirror notebook ocean
painting queen river silver table umbrella violin window yellow zebra teacher doctor football history chemistry music
garden bicycle winter summer breakfast airport hospital language dictionary photograph holiday dragon castle pirate robot
planet galaxy volcano dinosaur penguin tiger banana cheese chocolate pizza taxes marriage grammar biology theatre""".split()
FRAMES = ['What is a {}?', 'Tell me about the {}.', 'How does a {} work?', 'Where can I find a {}?', 'Why do people like {}?',
          'Write about {} and {}.', 'Who invented the {}?', 'Compare {} with {}.', 'Draw a {}.', '{} {} {}']


# Other ways to ask for a word, for entries whose first question is "What is a …?".
DEFINITIONS = ['{}', '{}?', 'Tell me about the {}.', 'Tell me about {}s.', "What's a {}?", 'Explain {}.', 'Explain the {} to me.',
               'Describe a {}.', 'What do you mean by {}?', 'I do not understand what a {} is.', 'What are {}s?',
               'meaning of {}', 'Give me a definition of {}.', 'Could you define a {} for me?', 'What is meant by {}?']
# Words that may stand for each other in a question without changing its answer.
SAMES = [['happens', 'occurs', 'will happen', 'would happen'], ['disappears', 'vanishes', 'is gone', 'goes offline'],
         ['dies', 'crashes', 'breaks'], ['Can', 'Could', 'May'], ['Can anybody', 'Can anyone', 'Can somebody'],
         ['How do I', 'How can I', 'How to', 'How should I'], ['What happens if', 'What if', 'What happens when'],
         ['money', 'coins', 'funds'], ['read', 'see'], ['prompt', 'message', 'question'], ['big', 'large', 'high'],
         ['cost', 'price'], ['Which', 'What'], ['works', 'functions'], ['need', 'require'], ['get', 'receive'],
         ['provider', 'GPU owner'], ['job', 'open job'], ['is a', 'is the', 'is'], ['How much', 'How many coins'],
         ['stolen', 'stolen by somebody', 'leaked'], ['finished', 'over', 'done'], ['my', 'the', 'our'], ['Who can', 'Who may']]
FILLERS = ['really', 'actually', 'even', 'then', 'just', 'now', 'here']


def definition_word(questions):
    """The word that an entry defines, if it defines one."""
    found = re.fullmatch(r'What is an? ([a-z ]+)\?', questions[0])
    return found and found[1]


def read_questions():
    """Entries of questions.md as (topic, trained phrasings, held-out phrasings, answer)."""
    entries = []
    for part in re.split(r'^## ', (HERE / 'questions.md').read_text('utf-8'), flags=re.M)[1:]:
        lines = part.split('\n')
        trained = [line[2:] for line in lines if line.startswith('- ')]
        held = [line[2:] for line in lines if line.startswith('* ')]
        answer = ' '.join(line for line in lines[1:] if line and line[:2] not in ('- ', '* '))
        assert trained and answer, lines[0]
        entries.append((lines[0], trained, held, answer))
    return entries


class Tokenizer:
    """Byte-level BPE; tokens 0–255 are bytes, then the specials, then one token per merge."""

    def __init__(self, merges):
        self.merges = merges
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.first = 256 + len(SPECIALS)
        self.special = {name: 256 + i for i, name in enumerate(SPECIALS)}
        self.cache = {}

    @property
    def size(self):
        return self.first + len(self.merges)

    @staticmethod
    def learn(text, size):
        words = [[list(piece.encode()), count] for piece, count in collections.Counter(re.findall(PIECES, text)).items()]
        merges = []
        while 256 + len(SPECIALS) + len(merges) < size:
            pairs = collections.Counter()
            for word, count in words:
                for pair in zip(word, word[1:]):
                    pairs[pair] += count
            pair, count = max(pairs.items(), key=lambda item: (item[1], item[0]))
            if count < 2:
                break
            made = 256 + len(SPECIALS) + len(merges)
            merges.append(pair)
            for entry in words:
                entry[0] = Tokenizer.replace(entry[0], pair, made)
        return Tokenizer(merges)

    @staticmethod
    def replace(word, pair, made):
        out, i = [], 0
        while i < len(word):
            if i + 1 < len(word) and (word[i], word[i + 1]) == pair:
                out.append(made)
                i += 2
            else:
                out.append(word[i])
                i += 1
        return out

    def encode(self, text):
        out = []
        for piece in re.findall(PIECES, text):
            if piece not in self.cache:
                word = list(piece.encode())
                while len(word) > 1:
                    best = min(zip(word, word[1:]), key=lambda pair: self.rank.get(pair, 1 << 30))
                    if best not in self.rank:
                        break
                    word = self.replace(word, best, self.first + self.rank[best])
                self.cache[piece] = word
            out += self.cache[piece]
        return out

    def message(self, role, text):
        return [self.special[f'<|{role}|>'], *self.encode(text), self.special['<|end|>']]


class Corpus:
    """Rows of conversations: tokens, and a mask over those that the model has to say."""

    def __init__(self, tokenizer, entries, rng):
        self.tokenizer, self.entries, self.rng = tokenizer, entries, rng
        self.weights = [6 if topic == 'unknown' else 2 if topic == 'whole story' else 1 for topic, *_ in entries]

    def vary(self, text):
        rng = self.rng
        for same in rng.sample(SAMES, len(SAMES)):
            found = [word for word in same if re.search(rf'\b{word}\b', text)]
            if found and rng.random() < 0.3:
                text = re.sub(rf'\b{found[0]}\b', rng.choice(same), text, count=1)
        words = text.split(' ')
        if len(words) > 3 and rng.random() < 0.15:
            words.insert(rng.randrange(1, len(words)), rng.choice(FILLERS))
        if len(words) > 4 and rng.random() < 0.1:
            words.pop(rng.randrange(len(words) - 1))
        text = ' '.join(words)
        if rng.random() < 0.35:
            text = text.rstrip('?.!')
        if rng.random() < 0.2:
            text = rng.choice(BEFORE) + (text if rng.random() < 0.5 else text[:1].lower() + text[1:])
        if rng.random() < 0.12:
            text += rng.choice(AFTER)
        if rng.random() < 0.2:
            text = text.lower()
        if rng.random() < 0.12 and len(text) > 8:
            i = rng.randrange(1, len(text) - 1)
            text = rng.choice([text[:i] + text[i + 1:], text[:i] + text[i + 1] + text[i] + text[i + 2:], text[:i] + text[i] + text[i:]])
        return text

    def nonsense(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.6:
            return re.sub(r'\{\}', lambda _: rng.choice(FOREIGN), rng.choice(FRAMES))
        if kind < 0.8:
            return ''.join(rng.choice('abcdefghijklmnopqrstuvwxyz 0123456789') for _ in range(rng.randrange(3, 60)))
        return ' '.join(rng.choice(FOREIGN) for _ in range(rng.randrange(2, 20)))

    def row(self, length):
        rng, tok = self.rng, self.tokenizer
        tokens, mask = [tok.special['<|begin|>']], [0]
        if rng.random() < 0.4:
            part = tok.message('system', self.vary(rng.choice(SYSTEM)))
            tokens += part
            mask += [0] * len(part)
        while len(tokens) <= length:
            topic, trained, _, answer = rng.choices(self.entries, self.weights)[0]
            question, word = rng.choice(trained), definition_word(trained)
            if topic == 'unknown' and rng.random() < 0.4:
                question = self.nonsense()
            if word and rng.random() < 0.3:
                question = rng.choice(DEFINITIONS).format(word)
            if rng.random() < 0.6:
                question = self.vary(question)
            asked, said = tok.message('user', question), tok.message('assistant', answer)
            if rng.random() < 0.3:
                asked[1:-1] = [rng.randrange(tok.first, tok.size) if rng.random() < 0.1 else token for token in asked[1:-1]]
            tokens += asked + said
            mask += [0] * (len(asked) + 1) + [1] * (len(said) - 1)
        return tokens[:length + 1], mask[:length + 1]

    def batch(self, rows, length):
        made = [self.row(length) for _ in range(rows)]
        tokens = np.array([row for row, _ in made])
        mask = np.array([row for _, row in made], dtype=bool)
        return tokens[:, :-1], tokens[:, 1:], mask[:, 1:]


def shapes(config):
    """Parameter names and shapes, in the order of the file; matrices are [out, in]."""
    dim, hidden = config['dim'], config['hidden']
    out = {'embedding': (config['vocabulary'], dim)}
    for layer in range(config['layers']):
        for name, shape in {
            'attentionNorm': (dim,), 'query': (dim, dim), 'key': (dim, dim), 'value': (dim, dim), 'output': (dim, dim),
            'feedNorm': (dim,), 'gate': (hidden, dim), 'up': (hidden, dim), 'down': (dim, hidden),
        }.items():
            out[f'layers.{layer}.{name}'] = shape
    out['norm'] = (dim,)
    return out


class Transformer:
    """Forward and backward pass; parameters and gradients are views into two flat arrays."""

    def __init__(self, config, rng, dtype=np.float32):
        self.config, self.dtype = config, dtype
        self.shapes = shapes(config)
        total = sum(int(np.prod(shape)) for shape in self.shapes.values())
        self.flat, self.flat_grad = np.zeros(total, dtype), np.zeros(total, dtype)
        self.p, self.g, self.decay = {}, {}, np.zeros(total, dtype)
        at = 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape))
            self.p[name] = self.flat[at:at + size].reshape(shape)
            self.g[name] = self.flat_grad[at:at + size].reshape(shape)
            if len(shape) == 1:
                self.p[name][:] = 1
            else:
                depth = (2 * config['layers']) ** -0.5 if name.endswith(('output', 'down')) else 1
                self.p[name][:] = rng.standard_normal(shape) * (shape[1] ** -0.5 if name != 'embedding' else 0.05) * depth
                self.decay[at:at + size] = 1
            at += size

    def rope(self, length):
        half = self.config['dim'] // self.config['heads'] // 2
        angle = np.arange(length)[:, None] * self.config['ropeTheta'] ** (-np.arange(half) / half)
        return np.cos(angle).astype(self.dtype), np.sin(angle).astype(self.dtype)

    @staticmethod
    def rotate(x, cos, sin):
        half = x.shape[-1] // 2
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def normalize(self, x, gain):
        scale = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + self.config['epsilon'])
        unit = x * scale
        return unit * gain, (unit, scale)

    @staticmethod
    def normalize_back(dy, gain, saved, grad):
        unit, scale = saved
        grad += (dy * unit).sum(0)
        d = dy * gain
        return (d - unit * (d * unit).mean(-1, keepdims=True)) * scale

    def forward(self, tokens):
        """Hidden state after the last norm, [rows × length, dim], and what the backward pass needs."""
        p, config = self.p, self.config
        rows, length = tokens.shape
        heads, dim = config['heads'], config['dim']
        size = dim // heads
        cos, sin = self.rope(length)
        hide = np.triu(np.full((length, length), -1e9, self.dtype), 1)
        split = lambda y: y.reshape(rows, length, heads, size).transpose(0, 2, 1, 3)
        merge = lambda y: y.transpose(0, 2, 1, 3).reshape(rows * length, dim)
        x = p['embedding'][tokens.reshape(-1)]
        saved = []
        for layer in range(config['layers']):
            w = lambda name: p[f'layers.{layer}.{name}']
            n1, s1 = self.normalize(x, w('attentionNorm'))
            q, k = (self.rotate(split(n1 @ w(name).T), cos, sin) for name in ('query', 'key'))
            v = split(n1 @ w('value').T)
            att = q @ k.transpose(0, 1, 3, 2)
            att *= size ** -0.5
            att += hide
            att -= att.max(-1, keepdims=True)
            np.exp(att, out=att)
            att /= att.sum(-1, keepdims=True)
            mixed = merge(att @ v)
            x = x + mixed @ w('output').T
            n2, s2 = self.normalize(x, w('feedNorm'))
            gate, up = n2 @ w('gate').T, n2 @ w('up').T
            sigmoid = 1 / (1 + np.exp(-gate))
            inner = gate * sigmoid * up
            x = x + inner @ w('down').T
            saved.append((n1, s1, q, k, v, att, mixed, n2, s2, gate, up, sigmoid, inner))
        final, s = self.normalize(x, p['norm'])
        return final, (saved, s, cos, sin, split, merge)

    def loss(self, tokens, targets, mask):
        """Mean cross-entropy over the masked positions; fills the gradients."""
        p, g, config = self.p, self.g, self.config
        self.flat_grad[:] = 0
        final, (saved, s, cos, sin, split, merge) = self.forward(tokens)
        chosen = np.flatnonzero(mask.reshape(-1))
        wanted = targets.reshape(-1)[chosen]
        said = final[chosen]
        logits = said @ p['embedding'].T
        logits -= logits.max(-1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(-1, keepdims=True)
        each = np.arange(len(chosen))
        loss = -np.log(logits[each, wanted] + 1e-12).mean()
        logits[each, wanted] -= 1
        logits /= len(chosen)
        g['embedding'] += logits.T @ said
        dfinal = np.zeros_like(final)
        dfinal[chosen] = logits @ p['embedding']
        dx = self.normalize_back(dfinal, p['norm'], s, g['norm'])
        size = config['dim'] // config['heads']
        for layer in reversed(range(config['layers'])):
            w = lambda name: p[f'layers.{layer}.{name}']
            dw = lambda name: g[f'layers.{layer}.{name}']
            n1, s1, q, k, v, att, mixed, n2, s2, gate, up, sigmoid, inner = saved[layer]
            dw('down')[:] = dx.T @ inner
            dinner = dx @ w('down')
            dup = dinner * gate * sigmoid
            dgate = dinner * up * sigmoid * (1 + gate * (1 - sigmoid))
            dw('gate')[:] = dgate.T @ n2
            dw('up')[:] = dup.T @ n2
            dx = dx + self.normalize_back(dgate @ w('gate') + dup @ w('up'), w('feedNorm'), s2, dw('feedNorm'))
            dw('output')[:] = dx.T @ mixed
            dmixed = split(dx @ w('output'))
            dv = att.transpose(0, 1, 3, 2) @ dmixed
            datt = dmixed @ v.transpose(0, 1, 3, 2)
            datt -= (datt * att).sum(-1, keepdims=True)
            datt *= att
            datt *= size ** -0.5
            dq = merge(self.rotate(datt @ k, cos, -sin))
            dk = merge(self.rotate(datt.transpose(0, 1, 3, 2) @ q, cos, -sin))
            dv = merge(dv)
            for name, d in (('query', dq), ('key', dk), ('value', dv)):
                dw(name)[:] = d.T @ n1
            dn1 = dq @ w('query') + dk @ w('key') + dv @ w('value')
            dx = dx + self.normalize_back(dn1, w('attentionNorm'), s1, dw('attentionNorm'))
        np.add.at(g['embedding'], tokens.reshape(-1), dx)
        return float(loss)


def check_gradients():
    """Largest relative difference between the backward pass and finite differences on a toy model."""
    rng = np.random.default_rng(1)
    config = dict(CONFIG, vocabulary=17, dim=8, layers=2, heads=2, hidden=12)
    model = Transformer(config, rng, np.float64)
    tokens, targets = rng.integers(0, 17, (2, 2, 7))
    mask = rng.random((2, 7)) < 0.6
    model.loss(tokens, targets, mask)
    worst, found = 0.0, model.flat_grad.copy()
    for i in rng.choice(len(model.flat), 300, replace=False):
        kept = model.flat[i]
        model.flat[i] = kept + 1e-5
        above = model.loss(tokens, targets, mask)
        model.flat[i] = kept - 1e-5
        below = model.loss(tokens, targets, mask)
        model.flat[i] = kept
        slope = (above - below) / 2e-5
        worst = max(worst, abs(slope - found[i]) / (abs(slope) + abs(found[i]) + 1e-4))
    print(f'worst relative difference {worst:.2e}')
    assert worst < 1e-4


def quantize(model):
    """Int8 per row with one float32 scale, as the file will hold it; the model keeps the rounded values."""
    tensors = {}
    for name, value in model.p.items():
        if value.ndim == 1:
            tensors[name] = value.astype('<f4')
            continue
        scale = np.maximum(np.abs(value).max(1) / 127, 1e-12).astype('<f4')
        rounded = np.clip(np.rint(value / scale[:, None]), -127, 127).astype(np.int8)
        tensors[name], tensors[name + '.scale'] = rounded, scale
        value[:] = rounded.astype(np.float32) * scale[:, None]
    return tensors


def write_safetensors(path, tensors):
    """The safetensors layout: u64 header length, JSON header, then the raw tensors; float32 first so that all is aligned."""
    header, body = {}, b''
    for name in sorted(tensors, key=lambda name: (tensors[name].dtype == np.int8, name)):
        raw = tensors[name].tobytes()
        kind = 'I8' if tensors[name].dtype == np.int8 else 'F32'
        header[name] = {'dtype': kind, 'shape': list(tensors[name].shape), 'data_offsets': [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + body)


def answered(model, tokenizer, pairs):
    """Which questions get exactly their answer at temperature 0 (every token right given the right ones before it)."""
    right = []
    for question, answer in pairs:
        said = tokenizer.message('assistant', answer)
        tokens = np.array([tokenizer.special['<|begin|>'], *tokenizer.message('user', question), *said])
        final, _ = model.forward(tokens[None, :-1])
        best = (final[-(len(said) - 1):] @ model.p['embedding'].T).argmax(-1)
        right.append(bool((best == said[1:]).all()))
    return right


def train(steps, limit):
    rng = random.Random(SEED)
    entries = read_questions()
    everything = '\n'.join(
        text for _, trained, _, answer in entries for question in trained
        for text in (question, question.lower(), answer)
    )
    everything += '\n' + '\n'.join(SYSTEM + BEFORE + AFTER + FRAMES + DEFINITIONS + sum(SAMES, []))
    tokenizer = Tokenizer.learn(everything, CONFIG['vocabulary'])
    config = dict(CONFIG, vocabulary=tokenizer.size)
    corpus = Corpus(tokenizer, entries, rng)
    model = Transformer(config, np.random.default_rng(SEED))
    trained = [(question, answer) for _, questions, _, answer in entries for question in questions]
    held = [(question, answer) for _, _, questions, answer in entries for question in questions]
    print(f'{len(entries)} entries, {len(trained)} questions, {len(held)} held out, vocabulary {tokenizer.size}, '
          f'{len(model.flat)} parameters', flush=True)

    mean, square = np.zeros_like(model.flat), np.zeros_like(model.flat)
    peak, warm, began, recent = 1.5e-3, 60, time.time(), []
    for step in range(1, steps + 1):
        progress = step / steps
        rate = peak * min(1, step / warm) * (0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * progress)))
        # The end sees the whole context; before that short rows cost less.
        tokens, targets, mask = corpus.batch(*((2, 512) if progress > 0.85 else (4, 256)))
        recent.append(model.loss(tokens, targets, mask))
        grad = model.flat_grad
        grad *= min(1, 1 / (np.sqrt((grad * grad).sum()) + 1e-6))
        mean += 0.1 * (grad - mean)
        square += 0.02 * (grad * grad - square)
        update = (mean / (1 - 0.9 ** step)) / (np.sqrt(square / (1 - 0.98 ** step)) + 1e-9)
        model.flat -= (rate * (update + 0.05 * model.decay * model.flat)).astype(np.float32)
        if step % 50 == 0 or step == 1:
            print(f'step {step} loss {np.mean(recent[-50:]):.4f} rate {rate:.1e} time {time.time() - began:.0f} s', flush=True)
        if step % 400 == 0:
            right, kept = answered(model, tokenizer, trained), answered(model, tokenizer, held)
            print(f'step {step} answers {sum(right)}/{len(right)} held out {sum(kept)}/{len(kept)}', flush=True)
        if limit and time.time() - began > limit:
            break

    tensors = quantize(model)
    right, kept = answered(model, tokenizer, trained), answered(model, tokenizer, held)
    print(f'int8: answers {sum(right)}/{len(right)}, held out {sum(kept)}/{len(kept)}')
    for name, pairs, marks in (('wrong', trained, right), ('wrong, held out', held, kept)):
        for (question, _), mark in zip(pairs, marks):
            if not mark:
                print(f'{name}: {question}')

    WEIGHTS.mkdir(exist_ok=True)
    (WEIGHTS / 'tokenizer.json').write_text(json.dumps(
        {'pieces': PIECES, 'specials': SPECIALS, 'merges': tokenizer.merges}, ensure_ascii=False, separators=(',', ':')) + '\n')
    write_safetensors(WEIGHTS / 'weights.safetensors', tensors)
    digest = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
    config |= {
        'parameters': len(model.flat),
        'trained': {
            'seed': SEED, 'steps': step, 'loss': round(float(np.mean(recent[-50:])), 4),
            'answers': f'{sum(right)}/{len(right)}', 'heldOut': f'{sum(kept)}/{len(kept)}',
        },
        'sha256': {
            'weights.safetensors': digest(WEIGHTS / 'weights.safetensors'), 'tokenizer.json': digest(WEIGHTS / 'tokenizer.json'),
            'training/questions.md': digest(HERE / 'questions.md'),
        },
    }
    (WEIGHTS / 'config.json').write_text(json.dumps(config, indent=4) + '\n')


if __name__ == '__main__':
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('--check-gradients', action='store_true')
    options.add_argument('--steps', type=int, default=2000)
    options.add_argument('--limit', type=int, default=0, help='stop after so many seconds')
    chosen = options.parse_args()
    check_gradients() if chosen.check_gradients else train(chosen.steps, chosen.limit)
