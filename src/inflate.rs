//! Bodies as they came off the wire, read as what they say.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use zeroize::Zeroize as _;

use crate::body::{Body, PIECE};

/// Bytes that are inflated at a time.
pub(crate) const CHUNK: usize = PIECE;

/// Reads a body, inflating it if need be.
pub(crate) enum Inflate {
    Plain(Body),
    Gzip(BufReader<MultiGzDecoder<Body>>),
}

impl Inflate {
    /// By the bytes and not by the header: the transport may have inflated the body already, where
    /// another crate of the build has turned that on.
    pub(crate) fn new(body: Body) -> Self {
        if body.is_gzip() {
            Self::Gzip(BufReader::with_capacity(CHUNK, MultiGzDecoder::new(body)))
        } else {
            Self::Plain(body)
        }
    }

    fn reader(&mut self) -> &mut dyn BufRead {
        match self {
            Self::Plain(body) => body,
            Self::Gzip(inflating) => inflating,
        }
    }
}

impl Read for Inflate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader().read(buffer)
    }
}

impl BufRead for Inflate {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader().fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader().consume(amount);
    }
}

/// How what is kept of a small body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Where the body does.
    Whole,
    /// There was more, which is not kept.
    Longer,
    /// The body was compressed, and that is broken or cut.
    Damaged,
}

/// The first 64 KiB of a small body, such as an error's, of which at least one byte more has been
/// read if there was one. What is broken or beyond is left out: the status says more than the rest
/// of the text.
///
/// Where the body may hold a token, this is the one place where its text is: the caller wipes it.
pub(crate) fn beginning(body: Body) -> (Vec<u8>, End) {
    let longer = body.size() > PIECE as u64;
    let inflating = match Inflate::new(body) {
        Inflate::Gzip(inflating) => inflating.into_inner(),
        Inflate::Plain(body) => {
            let end = if longer { End::Longer } else { End::Whole };
            return (body.into_first_piece(), end);
        }
    };
    // One byte more tells whether there is one.
    let mut body = Vec::with_capacity(PIECE + 1);
    let outcome = inflating.take(PIECE as u64 + 1).read_to_end(&mut body);
    // What was read before a cut is as it was sent. Damage may be anywhere in it, in the middle of a
    // secret too, which nobody would recognise then.
    let end = match outcome {
        Ok(_) if body.len() > PIECE => End::Longer,
        Ok(_) => End::Whole,
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            body.zeroize();
            End::Damaged
        }
        // No more of it was read.
        Err(_) if longer => End::Longer,
        Err(_) => End::Damaged,
    };
    body.truncate(PIECE);
    (body, end)
}
