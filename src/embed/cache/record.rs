//! One remembered text as bytes that prove themselves.
//!
//! Little-endian: version (1 byte), shortened (1), tokens (4), tone (3 x 4), vector (`d` x 2),
//! checksum (16). With `d` = 384 that is 802 bytes, five to a page of the store.

use half::f16;

use super::Remembered;

/// Where a record is found: a hash of its space and its text's key.
pub(super) type Address = [u8; 16];

/// Layout of a record. Part of the address too, so that records of another layout are never met.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 18;
const CHECKSUM_BYTES: usize = 16;

/// Address of `key` in `space`.
pub(super) fn address(space: &[u8; 32], key: &[u8; 16]) -> Address {
    keyed_hash(space, b"address", key, &[])
}

/// Bytes of what is remembered under `key` in `space`.
pub(super) fn encode(space: &[u8; 32], key: &[u8; 16], remembered: &Remembered) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + 2 * remembered.vector.len() + CHECKSUM_BYTES);
    bytes.extend([VERSION, u8::from(remembered.shortened)]);
    bytes.extend(remembered.tokens.to_le_bytes());
    remembered.tone.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    remembered.vector.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    let checksum = keyed_hash(space, b"record", key, &bytes);
    bytes.extend(checksum);
    bytes
}

/// What `bytes` hold; `None` unless they are, bit by bit, what was encoded for `key` in `space`.
pub(super) fn decode(space: &[u8; 32], key: &[u8; 16], bytes: &[u8]) -> Option<Remembered> {
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    if body.first() != Some(&VERSION) || keyed_hash(space, b"record", key, body) != *checksum {
        return None;
    }
    let (head, vector) = body.split_first_chunk::<HEAD_BYTES>()?;
    let word = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
    Some(Remembered {
        vector: vector.chunks_exact(2).map(|pair| f16::from_le_bytes([pair[0], pair[1]])).collect(),
        tone: [6, 10, 14].map(|at| f32::from_le_bytes(word(at))),
        tokens: u32::from_le_bytes(word(2)),
        shortened: head[1] != 0,
    })
}

/// Half of a BLAKE3 hash with the space as its key; `purpose` keeps addresses and checksums apart.
fn keyed_hash(space: &[u8; 32], purpose: &[u8], key: &[u8; 16], body: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(space);
    hasher.update(purpose).update(&[VERSION]).update(key).update(body);
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    half
}
