"""Architectures written in PyTorch, for those that torchvision lacks.

Only the definitions: torch_export.py seeds and exports them.
"""

import torch
import torch.nn.functional as F
from torch import nn


# -- text --------------------------------------------------------------------

class Attention(nn.Module):
    """Multi-head attention spelt out as Hugging Face's BERT does."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dense = nn.Linear(width, width)

    def split(self, x):
        return x.view(x.size(0), x.size(1), self.heads,
                      self.size).permute(0, 2, 1, 3)

    def forward(self, x, mask):
        q, k, v = (self.split(f(x)) for f in (self.query, self.key,
                                              self.value))
        scores = torch.matmul(q, k.transpose(-1, -2)) / self.size ** 0.5
        probs = torch.softmax(scores + mask, dim=-1)
        y = torch.matmul(probs, v).permute(0, 2, 1, 3).contiguous()
        return self.dense(y.view(y.size(0), y.size(1), -1))


class BertLayer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.inner = nn.Linear(width, 4 * width)
        self.outer = nn.Linear(4 * width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x, mask):
        x = self.norm1(x + self.attention(x, mask))
        return self.norm2(x + self.outer(F.gelu(self.inner(x))))


class Bert(nn.Module):
    """A sentence encoder: BERT, mean over the tokens, unit length."""

    def __init__(self, words=2000, width=192, heads=6, layers=6, longest=256):
        super().__init__()
        self.word = nn.Embedding(words, width)
        self.place = nn.Embedding(longest, width)
        self.kind = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(BertLayer(width, heads)
                                    for _ in range(layers))
        self.pool = nn.Linear(width, width)

    def forward(self, ids, mask, kinds):
        at = torch.arange(ids.size(1)).unsqueeze(0).expand_as(ids)
        x = self.norm(self.word(ids) + self.place(at) + self.kind(kinds))
        wide = mask[:, None, None, :].to(x.dtype)
        bias = (1.0 - wide) * torch.finfo(x.dtype).min

        for layer in self.layers:
            x = layer(x, bias)

        weight = mask.unsqueeze(-1).expand(x.size()).float()
        mean = (x * weight).sum(1) / weight.sum(1).clamp(min=1e-9)
        first = torch.tanh(self.pool(x[:, 0]))
        return F.normalize(mean, p=2, dim=1), first


class TorchTransformer(nn.Module):
    """torch's own encoder layer, with a padding mask and a causal one."""

    def __init__(self, width=96, heads=4, layers=3):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.1,
                                       activation='gelu', batch_first=True,
                                       norm_first=True)
            for _ in range(layers))

    def forward(self, x, padding):
        n = x.size(1)
        causal = torch.triu(torch.full((n, n), -1e4), diagonal=1)
        for layer in self.layers:
            x = layer(x, src_mask=causal, src_key_padding_mask=padding)
        return x


# -- recurrent ---------------------------------------------------------------

class Tagger(nn.Module):
    """A GRU and a bidirectional LSTM; the states are inputs and outputs."""

    def __init__(self, width=24, hidden=40, layers=2, classes=9):
        super().__init__()
        self.gru = nn.GRU(width, hidden, layers, batch_first=True)
        self.lstm = nn.LSTM(hidden, hidden, layers, batch_first=True,
                            bidirectional=True)
        self.dense = nn.Linear(2 * hidden, classes)

    def forward(self, x, h0, c0, g0):
        y, g = self.gru(x, g0)
        y, (h, c) = self.lstm(y, (h0, c0))
        return torch.log_softmax(self.dense(y), -1), g, h, c


class Packed(nn.Module):
    """Sequences of several lengths, packed: sequence_lens of the operators."""

    def __init__(self, width=16, hidden=24):
        super().__init__()
        self.hidden = hidden
        self.lstm = nn.LSTM(width, hidden, batch_first=True,
                            bidirectional=True)
        self.gru = nn.GRU(2 * hidden, hidden, batch_first=True,
                          bidirectional=True)

    def forward(self, x, lengths):
        pack = nn.utils.rnn.pack_padded_sequence
        unpack = nn.utils.rnn.pad_packed_sequence
        # Without states of its own the export would fix the batch.
        zero = torch.zeros(2, x.size(0), self.hidden)
        y, (h, c) = self.lstm(pack(x, lengths, batch_first=True),
                              (zero, zero))
        y, _ = unpack(y, batch_first=True)
        z, g = self.gru(pack(y, lengths, batch_first=True), zero)
        z, _ = unpack(z, batch_first=True)
        return z, h, c, g


class ElmanRnn(nn.Module):
    def __init__(self, width=12, hidden=20):
        super().__init__()
        self.tanh = nn.RNN(width, hidden, batch_first=True)
        self.relu = nn.RNN(hidden, hidden, nonlinearity='relu',
                           bidirectional=True, batch_first=True)

    def forward(self, x):
        y, h = self.tanh(x)
        z, g = self.relu(y)
        return z, h, g


class ConvLstmCell(nn.Module):
    def __init__(self, channels, hidden):
        super().__init__()
        self.gates = nn.Conv2d(channels + hidden, 4 * hidden, 3, padding=1)

    def forward(self, x, h, c):
        i, f, o, g = self.gates(torch.cat([x, h], 1)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class ConvLstm(nn.Module):
    """Frames [T,N,C,H,W] in a scripted loop: exported as an ONNX Loop."""

    def __init__(self, channels=2, hidden=6):
        super().__init__()
        self.hidden = hidden
        self.cell = ConvLstmCell(channels, hidden)

    def forward(self, x):
        h = torch.zeros([x.size(1), self.hidden, x.size(3), x.size(4)])
        c = torch.zeros_like(h)
        for t in range(x.size(0)):
            h, c = self.cell(x[t], h, c)
        return h, c


# -- pictures ----------------------------------------------------------------

def double(a, b):
    return nn.Sequential(
        nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b),
        nn.ReLU(True),
        nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b),
        nn.ReLU(True))


class Up(nn.Module):
    """Twice as large, padded to the size of what was kept, joined with it."""

    def __init__(self, a, b, bilinear):
        super().__init__()
        self.up = (nn.Sequential(nn.Upsample(scale_factor=2, mode='bilinear',
                                             align_corners=True),
                                 nn.Conv2d(a, b, 1))
                   if bilinear else nn.ConvTranspose2d(a, b, 2, stride=2))
        self.conv = double(2 * b, b)

    def forward(self, x, kept):
        x = self.up(x)
        dy, dx = kept.size(2) - x.size(2), kept.size(3) - x.size(3)
        x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([kept, x], 1))


class Unet(nn.Module):
    def __init__(self, bilinear, width=12, classes=3):
        super().__init__()
        w = [width << i for i in range(4)]
        self.head = double(3, w[0])
        self.down = nn.ModuleList(double(a, b) for a, b in zip(w, w[1:]))
        self.up = nn.ModuleList(Up(b, a, bilinear)
                                for a, b in zip(w[-2::-1], w[:0:-1]))
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        kept = [self.head(x)]
        for f in self.down:
            kept.append(f(F.max_pool2d(kept[-1], 2)))
        x = kept.pop()
        for f in self.up:
            x = f(x, kept.pop())
        return self.out(x)


class Upscaler(nn.Module):
    """Resizing as torch exports it: to a size, by a scale, every mode."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, x):
        y = self.shuffle(F.silu(self.conv(x)))
        size = (x.size(2) * 2, x.size(3) * 2)
        a = F.interpolate(x, size=size, mode='bilinear', align_corners=False)
        b = F.interpolate(x, scale_factor=2.0, mode='bicubic',
                          align_corners=False)
        c = F.interpolate(x, scale_factor=2, mode='nearest')
        d = F.interpolate(a, size=(9, 11), mode='bilinear',
                          align_corners=True)
        return a * 0.5 + b + c * y[:, :1] + y[:, 1:2], d


class Net3d(nn.Module):
    """Volumes: 3-D convolution (grouped, strided, transposed) and pooling."""

    def __init__(self, classes=5):
        super().__init__()
        self.a = nn.Conv3d(2, 8, 3, padding=1)
        self.bn = nn.BatchNorm3d(8)
        self.b = nn.Conv3d(8, 16, (3, 1, 3), stride=(1, 2, 1), groups=4,
                           padding=(2, 0, 1), dilation=(2, 1, 1))
        self.max = nn.MaxPool3d(2)
        self.avg = nn.AvgPool3d((1, 2, 2), stride=(1, 2, 2), ceil_mode=True,
                                count_include_pad=False)
        self.t = nn.ConvTranspose3d(16, 4, 2, stride=2)
        self.dense = nn.Linear(16, classes)

    def forward(self, x):
        x = self.max(F.relu(self.bn(self.a(x))))
        x = F.elu(self.b(x))
        y = self.avg(x)
        z = F.interpolate(self.t(y), scale_factor=2, mode='trilinear',
                          align_corners=False)
        return self.dense(F.adaptive_avg_pool3d(y, 1).flatten(1)), z


class Odds(nn.Module):
    """Layers that torch exports in pieces: GroupNorm, Mish, LPPool, ..."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)
        self.group = nn.GroupNorm(4, 12)
        self.instance = nn.InstanceNorm2d(12, affine=True)
        self.prelu = nn.PReLU(12)
        self.lp = nn.LPPool2d(2, 3, stride=2)
        self.lrn = nn.LocalResponseNorm(3)
        self.up = nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1,
                                     output_padding=1)
        self.depth = nn.Conv2d(6, 6, 5, padding=4, dilation=2, groups=6)

    def forward(self, x):
        x = F.mish(self.group(self.conv(x)))
        x = self.prelu(self.instance(x)) + F.hardswish(x)
        y = self.lp(x.abs() + 0.1)
        y = self.lrn(F.gelu(y) + F.softplus(y) - F.hardsigmoid(y))
        z = F.celu(self.up(y)) + F.selu(self.depth(self.up(y)))
        z = F.glu(F.leaky_relu(z, 0.2), 1) * F.logsigmoid(z[:, :3])
        return z, F.avg_pool2d(z, 3, 2, 1, count_include_pad=False), \
            torch.cumsum(y, 2), torch.var(y, dim=(2, 3), unbiased=True), \
            y.flatten(2).topk(3, dim=-1)[0], torch.norm(z, dim=1)


class Selector(nn.Module):
    """What depends on values: a mask, its places, the distinct elements."""

    def forward(self, x):
        keep = x > 0.25
        picked = x[keep]
        rows, cols = torch.nonzero(keep, as_tuple=True)
        kinds = torch.unique(torch.round(x * 4))
        moved = torch.zeros_like(x).scatter(
            1, torch.argsort(x, dim=1, descending=True), x)
        x = x.masked_fill(~keep, -1.0)
        x[:, 0] = 2.0
        return picked.cumsum(0), x[rows], cols, kinds, moved, x
