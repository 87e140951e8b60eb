//! A body as it came off the wire, held in pieces.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use flate2::Crc;

/// Bytes of a piece. Allocators keep blocks of this size for the next page, where one block for a
/// whole page would go back to the system and come again, page by page.
pub(crate) const PIECE: usize = 64 * 1024;

/// Nothing moves while it grows, and each piece is given back once it has been read.
/// No `Debug`: it is the tenant's data, or a token.
#[derive(Default)]
pub(crate) struct Body {
    pieces: VecDeque<Vec<u8>>,
    /// What of the first piece has been read.
    at: usize,
    size: u64,
}

impl Body {
    /// Takes in all that there is. What came before an error stays.
    pub(crate) fn fill(&mut self, source: &mut impl Read) -> io::Result<()> {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            let read = source.take(PIECE as u64).read_to_end(&mut piece);
            let full = piece.len() == PIECE;
            self.push(piece);
            read?;
            if !full {
                return Ok(());
            }
        }
    }

    fn push(&mut self, piece: Vec<u8>) {
        self.size += piece.len() as u64;
        if !piece.is_empty() {
            self.pieces.push_back(piece);
        }
    }

    /// How many bytes came.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn is_gzip(&self) -> bool {
        self.rest().starts_with(&[0x1F, 0x8B])
    }

    /// Differs, in all likelihood, where the body does.
    pub(crate) fn fingerprint(&self) -> (u64, u32) {
        let mut crc = Crc::new();
        for piece in &self.pieces {
            crc.update(piece);
        }
        (self.size, crc.sum())
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
            self.pieces.pop_front();
            self.at = 0;
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

#[cfg(test)]
impl<T: AsRef<[u8]>> From<T> for Body {
    fn from(bytes: T) -> Self {
        let mut body = Self::default();
        body.fill(&mut bytes.as_ref()).unwrap();
        body
    }
}

#[cfg(test)]
mod tests {
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
                let mut body = Body::default();
                body.fill(&mut source(size, step)).unwrap();
                assert_eq!(body.size(), size as u64);
                let mut read = Vec::new();
                body.read_to_end(&mut read).unwrap();
                assert!(read == expected, "{size} bytes in steps of {step}");
                assert!(body.pieces.is_empty(), "what has been read is given back");
            }
        }
    }

    #[test]
    fn what_came_before_an_error_stays() {
        let mut body = Body::default();
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
        other[PIECE + 1] = b'y';
        assert_eq!(of(&page), of(&page));
        assert_ne!(of(&page), of(&other));
        assert_ne!(of(b""), of(b"\0"));
    }
}
