// The kernels for a memory that one thread has to itself: the same code, which contains nothing atomic, with a memory of another kind.

const MEMORY_IMPORT = 2;
const IMPORT_SECTION = 2;
const SHARED_WITH_MAXIMUM = 3;
const WITH_MAXIMUM = 1;
const HEAD_BYTES = 8;

/** A copy of a WebAssembly module whose first import is a shared memory, with a memory that is not shared. */
export function unshared(module) {
  const bytes = new Uint8Array(module);
  const flags = placeOfFlags(bytes);
  if (bytes[flags] !== SHARED_WITH_MAXIMUM) throw new Error('the kernels import no shared memory first');
  bytes[flags] = WITH_MAXIMUM;
  return bytes;
}

/** https://webassembly.github.io/spec/core/binary/modules.html: sections of a number and a length; imports of two names, a kind and limits. */
function placeOfFlags(bytes) {
  let at = HEAD_BYTES;
  const number = () => {
    for (let [value, shift] = [0, 0]; ; shift += 7) {
      const byte = bytes[at++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (bytes[at] !== IMPORT_SECTION) {
    at++;
    const length = number();
    at += length;
  }
  at++;
  number(); // length
  number(); // imports
  for (let name = 0; name < 2; name++) {
    const length = number();
    at += length;
  }
  if (bytes[at] !== MEMORY_IMPORT) throw new Error('the first import of the kernels is no memory');
  return at + 1;
}
