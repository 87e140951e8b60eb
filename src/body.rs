//! A body as it came off the wire, held in pieces.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes of a piece.
pub(crate) const PIECE: usize = 64 * 1024;

/// Pieces that have been read and wait for the next body. Without them every page would be built
/// from memory that the system hands out anew, which takes longer than to read into it.
#[derive(Clone, Default)]
pub(crate) struct Spares(Arc<Mutex<Vec<Vec<u8>>>>);

impl Spares {
    fn take(&self) -> Vec<u8> {
        self.lock().pop().unwrap_or_else(|| vec![0; PIECE])
    }

    fn give(&self, mut piece: Vec<u8>) {
        piece.resize(PIECE, 0);
        self.lock().push(piece);
    }

    /// How many pieces there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without what they hold: it is the tenant's data.
impl fmt::Debug for Spares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spares").finish_non_exhaustive()
    }
}

/// Tells pages apart: of two that aren't the same, the first rows aren't, and a piece holds hundreds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    size: u64,
    first_piece: u64,
}

/// Nothing moves while it grows. No `Debug`: it is the tenant's data, or a token.
#[derive(Default)]
pub(crate) struct Body {
    pieces: VecDeque<Vec<u8>>,
    /// What of the first piece has been read.
    at: usize,
    size: u64,
    /// The headers say so; what it is, is asked of [`is_gzip`](Self::is_gzip).
    pub(crate) said_compressed: bool,
    spares: Spares,
}

impl Body {
    pub(crate) fn new(spares: &Spares) -> Self {
        Self {
            pieces: VecDeque::new(),
            at: 0,
            size: 0,
            said_compressed: false,
            spares: spares.clone(),
        }
    }

    /// Takes in all that there is. What came before an error stays.
    pub(crate) fn fill(&mut self, source: &mut impl Read) -> io::Result<()> {
        loop {
            let mut piece = self.spares.take();
            let (filled, outcome) = fill(&mut piece, source);
            piece.truncate(filled);
            self.size += filled as u64;
            if filled > 0 {
                self.pieces.push_back(piece);
            } else {
                self.spares.give(piece);
            }
            outcome?;
            if filled < PIECE {
                return Ok(());
            }
        }
    }

    /// How many bytes came.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// By its first bytes. Of one that was cut there may be only the first, and that begins no text.
    pub(crate) fn is_gzip(&self) -> bool {
        let rest = self.rest();
        rest.starts_with(&[0x1F, 0x8B]) || rest == [0x1F]
    }

    /// Differs, in all likelihood, where the rows do.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        // No CRC: gzip ends in one, which makes that of the whole the same for all texts of a length
        // that are stored as they are.
        let mut hasher = DefaultHasher::new();
        hasher.write(self.rest());
        Fingerprint {
            size: self.size,
            first_piece: hasher.finish(),
        }
    }

    /// The first piece, itself and no copy: it may hold a token, and its owner wipes it.
    pub(crate) fn into_first_piece(mut self) -> Vec<u8> {
        self.pieces.pop_front().unwrap_or_default()
    }

    /// What is left of the first piece.
    fn rest(&self) -> &[u8] {
        let first = self.pieces.front();
        first
            .and_then(|piece| piece.get(self.at..))
            .unwrap_or_default()
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.at.saturating_add(amount);
        if self.rest().is_empty() {
            self.at = 0;
            if let Some(piece) = self.pieces.pop_front() {
                self.spares.give(piece);
            }
        }
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.rest().read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Reads until the piece is full or there is no more; and how much that was.
fn fill(piece: &mut [u8], source: &mut impl Read) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while let Some(free) = piece.get_mut(filled..).filter(|free| !free.is_empty()) {
        match source.read(free) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}

#[cfg(any(test, defender_endpoint_fuzzing))]
impl<T: AsRef<[u8]>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let mut body = Self::new(&Spares::default());
        body.fill(&mut bytes.as_ref()).unwrap();
        body
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Gives so many bytes, a few at a time, and then an error if it has one.
    struct Source {
        left: usize,
        step: usize,
        error: bool,
    }

    impl Read for Source {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.left.min(self.step).min(buffer.len());
            if read == 0 && self.error {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            for (at, byte) in buffer.iter_mut().take(read).enumerate() {
                *byte = u8::try_from((self.left - at) % 251).unwrap();
            }
            self.left -= read;
            Ok(read)
        }
    }

    fn source(left: usize, step: usize) -> Source {
        Source {
            left,
            step,
            error: false,
        }
    }

    #[test]
    fn it_reads_back_what_came_in_whatever_the_steps() {
        for size in [
            0,
            1,
            2,
            PIECE - 1,
            PIECE,
            PIECE + 1,
            3 * PIECE,
            3 * PIECE + 7,
        ] {
            let mut expected = Vec::new();
            source(size, 13).read_to_end(&mut expected).unwrap();
            for step in [1_000, PIECE, 3 * PIECE] {
                let mut body = Body::new(&Spares::default());
                body.fill(&mut source(size, step)).unwrap();
                assert_eq!(body.size(), size as u64);
                let mut read = Vec::new();
                body.read_to_end(&mut read).unwrap();
                assert!(read == expected, "{size} bytes in steps of {step}");
                assert!(body.pieces.is_empty());
            }
        }
    }

    #[test]
    fn what_was_read_is_room_for_the_next_body() {
        let spares = Spares::default();
        for size in [3 * PIECE + 9, 2 * PIECE, 5, PIECE + 1, 4 * PIECE] {
            let mut body = Body::new(&spares);
            body.fill(&mut source(size, 5_000)).unwrap();
            let (mut expected, mut read) = (Vec::new(), Vec::new());
            source(size, 13).read_to_end(&mut expected).unwrap();
            body.read_to_end(&mut read).unwrap();
            assert!(read == expected, "{size} bytes");
        }
        // The four of the largest body, and one for the look behind it that there is no more.
        assert_eq!(spares.count(), 5);
        assert!(spares.lock().iter().all(|piece| piece.len() == PIECE));
    }

    #[test]
    fn spares_are_shown_without_what_they_hold() {
        let spares = Spares::default();
        let mut body = Body::new(&spares);
        body.fill(&mut source(PIECE, PIECE)).unwrap();
        io::copy(&mut body, &mut io::sink()).unwrap();
        assert_eq!(format!("{spares:?}"), "Spares { .. }");
    }

    #[test]
    fn what_came_before_an_error_stays() {
        let mut body = Body::new(&Spares::default());
        let broken = Source {
            error: true,
            ..source(PIECE + 10, 4_096)
        };
        body.fill(&mut { broken }).unwrap_err();
        assert_eq!(body.size(), PIECE as u64 + 10);
        assert_eq!(body.into_first_piece().len(), PIECE);
    }

    #[test]
    fn fingerprints_differ_by_content_and_by_size() {
        let of = |bytes: &[u8]| Body::from(bytes).fingerprint();
        let page = vec![b'x'; 2 * PIECE + 5];
        let mut other = page.clone();
        other[PIECE - 1] = b'y';
        assert_eq!(of(&page), of(&page));
        assert_ne!(of(&page), of(&other));
        assert_ne!(of(b""), of(b"\0"));
    }

    #[test]
    fn fingerprints_of_pages_that_are_packed_without_being_compressed_differ() {
        let stored = |text: &str| {
            let mut packing = GzEncoder::new(Vec::new(), Compression::none());
            packing.write_all(text.as_bytes()).unwrap();
            Body::from(packing.finish().unwrap()).fingerprint()
        };
        assert_eq!(stored(r#"{"n":0}"#), stored(r#"{"n":0}"#));
        assert_ne!(stored(r#"{"n":0}"#), stored(r#"{"n":1}"#));
    }
}
