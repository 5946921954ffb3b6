"""Turn rows of JSON numbers into rows of JSON objects, framed for a binary COPY.

Bytes in, bytes out: the numbers were written by a JSON library (shortest exact form, `null` for missing);
here only the keys and the frame of each row are put between them.
"""

from numba import njit

_OPEN, _CLOSE, _COMMA = ord("["), ord("]"), ord(",")
_OPEN_OBJECT, _CLOSE_OBJECT = ord("{"), ord("}")


@njit(cache=True, nogil=True)
def json_rows(numbers, keys, key_ends, frames, out):
    """Write each row's frame and its object of keys and numbers; the byte count goes into the frame's end.

    Parameters
    ----------
    numbers : uint8 array of shape (n_bytes,)
        JSON text `[[1.5,null],[2.5,3.0]]` without white space: rows of equal length.
    keys : uint8 array of shape (n_key_bytes,)
        The keys in column order, each as `"name":`, one after the other.
    key_ends : int64 array of shape (n_columns,)
        Where each key ends in `keys`.
    frames : uint8 array of shape (n_rows, n_frame_bytes)
        What stands before each row's object. The last four bytes are the big-endian length of what follows (a
        version byte 1 and the object, the binary form of jsonb) and are filled in here.
    out : uint8 array
        Large enough for all frames, keys and numbers plus 3 bytes a row.

    Returns
    -------
    int
        Bytes written.
    """
    position = 0
    row = -1
    start = 0
    column = 0
    in_row = False
    frame_bytes = frames.shape[1]
    for i in range(1, numbers.size - 1):
        byte = numbers[i]
        if byte == _OPEN:
            row += 1
            for j in range(frame_bytes):
                out[position + j] = frames[row, j]
            position += frame_bytes
            start = position
            out[position] = 1
            out[position + 1] = _OPEN_OBJECT
            position += 2
            in_row = True
            column = 0
            for j in range(key_ends[0]):
                out[position + j] = keys[j]
            position += key_ends[0]
        elif byte == _CLOSE:
            out[position] = _CLOSE_OBJECT
            position += 1
            in_row = False
            length = position - start
            for j in range(4):
                out[start - 1 - j] = (length >> (8 * j)) & 0xFF
        elif byte == _COMMA:
            if in_row:
                out[position] = byte
                position += 1
                for j in range(key_ends[column], key_ends[column + 1]):
                    out[position] = keys[j]
                    position += 1
                column += 1
        else:
            out[position] = byte
            position += 1
    return position
