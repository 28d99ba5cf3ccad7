#!/usr/bin/python3
"""maas compile --child: the record and the descriptor that nginx reads."""

import array
import os
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
MAAS = os.path.join(os.environ.get('MAAS_BUILD', ROOT + '/build'), 'maas')
DIGITS = ROOT + '/conf/models/digits'
count = failed = 0


def ok(good, text):
    global count, failed
    count += 1
    failed += not good
    print(f'{"" if good else "not "}ok {count} - {text}', flush=True)


def child(images, *args):
    """Exit code, text and the descriptors that came with it."""
    ours, theirs = socket.socketpair()
    os.set_inheritable(theirs.fileno(), True)
    argv = [MAAS, 'compile', '--child', '--images', images, '--image',
            'k.maas', '--name', 'digits', '--version', '1', '--numerics',
            'exact', *args]

    def fd3():
        os.dup2(theirs.fileno(), 3)

    p = subprocess.Popen(argv, preexec_fn=fd3, close_fds=False,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    theirs.close()
    text, fds = b'', []
    while True:
        data, anc, _, _ = ours.recvmsg(4096, socket.CMSG_SPACE(64))
        for level, kind, raw in anc:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                a = array.array('i')
                a.frombytes(raw[:len(raw) // 4 * 4])
                fds += a
        if not data:
            break
        text += data
    ours.close()
    out = p.stdout.read()
    return p.wait(), text, fds, out


with tempfile.TemporaryDirectory() as tmp:
    rc, text, fds, out = child(tmp, DIGITS + '/model.onnx')
    ok(rc == 0 and text == b'OK\n', f'OK: {text}')
    ok(len(fds) == 1, 'with one descriptor')
    ok(out == b'', 'nothing on stdout')
    first = os.fstat(fds[0])
    path = tmp + '/k.maas'
    ok(os.stat(path).st_ino == first.st_ino, 'of the file in the folder')
    ok(os.pread(fds[0], 8, 0) == b'MAASIMG1', 'an image')
    try:
        os.write(fds[0], b'x')
        ok(False, 'read-only')
    except OSError:
        ok(True, 'read-only')
    ok(sorted(os.listdir(tmp)) == ['k.maas'], 'nothing beside it')

    rc, text, fds, _ = child(tmp, DIGITS + '/model.onnx')
    ok(rc == 0 and text == b'OK\n'
       and os.fstat(fds[0]).st_ino == first.st_ino, 'a present image is kept')

    good = open(path, 'rb').read()
    os.unlink(path)
    with open(path, 'wb') as f:
        f.write(good[:-1] + bytes([good[-1] ^ 1]))
    rc, text, fds, _ = child(tmp, DIGITS + '/model.onnx')
    ok(rc == 0 and os.pread(fds[0], len(good) + 1, 0) == good,
       'a damaged one is made again')

    os.unlink(path)
    rc, text, fds, _ = child(tmp, tmp + '/none.onnx')
    ok(rc == 1 and text.startswith(b'ERR ') and text.endswith(b'\n')
       and text.count(b'\n') == 1 and b'none.onnx' in text, f'{text}')
    ok(not fds and not os.listdir(tmp), 'no descriptor, no file')

    with open(tmp + '/bad\n.onnx', 'wb') as f:
        f.write(b'\x08\x07' + b'\xff' * 100)
    rc, text, fds, _ = child(tmp, tmp + '/bad\n.onnx')
    ok(rc == 1 and text.startswith(b'ERR ') and text.count(b'\n') == 1,
       f'one line whatever the name: {text}')

    rc, text, fds, _ = child(tmp + '/nowhere', DIGITS + '/model.onnx')
    ok(rc == 1 and b'nowhere' in text, f'{text}')

print(f'1..{count}')
sys.exit(failed != 0)
