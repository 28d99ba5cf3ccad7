/*
 * onnx_foreign.c: what a file is that is no ONNX model, by how it begins,
 * and what to do about it.  Only for the text of an error: a file that reads
 * as ONNX is never asked.
 *
 * Threads: reentrant; nothing is kept.
 */

#include "formats/onnx_priv.h"


#define foreign(at, magic, text)  { at, sizeof(magic) - 1, magic, text }

typedef struct {
    uint8_t      at;
    uint8_t      len;
    const char  *magic;
    const char  *text;
} foreign_t;


static const foreign_t  foreigns[] = {
    foreign(0, "PK\3\4", "a zip archive, as PyTorch and Keras save models; "
            "export it to ONNX (torch.onnx.export, tf2onnx)"),
    foreign(0, "\x89HDF", "an HDF5 file, as Keras saves models; convert it "
            "to ONNX (tf2onnx)"),
    foreign(4, "TFL3", "a TensorFlow Lite model; convert it to ONNX "
            "(tf2onnx)"),
    foreign(4, "ORTM", "a model in ORT format; take the .onnx file that it "
            "was made of"),
    foreign(0, "GGUF", "a GGUF file; only ONNX models are served"),
    foreign(0, "\x80\2", "a Python pickle; export the model to ONNX"),
    foreign(0, "\x80\3", "a Python pickle; export the model to ONNX"),
    foreign(0, "\x80\4", "a Python pickle; export the model to ONNX "
            "(skl2onnx)"),
    foreign(0, "\x80\5", "a Python pickle; export the model to ONNX "
            "(skl2onnx)"),
    foreign(0, "\x93NUMPY", "an array of NumPy, not a model"),
    foreign(8, "{\"", "a file of weights without a graph (safetensors); "
            "export the model to ONNX"),
    foreign(0, "\x1f\x8b", "compressed with gzip; decompress it"),
    foreign(0, "version https://git-lfs", "a Git LFS pointer in place of the "
            "file; fetch the file with \"git lfs pull\""),
    foreign(0, "<!DOCTYPE", "a web page; download the model again"),
    foreign(0, "<!doctype", "a web page; download the model again"),
    foreign(0, "<html", "a web page; download the model again"),
    foreign(0, "MAASIMG", "an image of another build; give the .onnx file")
};


const char *
maas_onnx_foreign(const void *p, size_t n)
{
    const foreign_t  *f;
    const uint8_t    *b = p;

    for (size_t i = 0; i < maas_nelts(foreigns); i++) {
        f = &foreigns[i];

        if (n >= (size_t) f->at + f->len
            && memcmp(b + f->at, f->magic, f->len) == 0)
        {
            return f->text;
        }
    }

    for (size_t i = 0; i < maas_min(n, 64); i++) {
        if ((b[i] < 0x20 && b[i] != '\n' && b[i] != '\r' && b[i] != '\t')
            || b[i] >= 0x7f)
        {
            return NULL;
        }
    }

    return "text";
}
