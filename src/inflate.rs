//! Bodies as they came off the wire, read as what they say.

use std::io::{self, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// Reads a body, inflating it if need be.
pub(crate) enum Inflate {
    Plain(Cursor<Vec<u8>>),
    Gzip(Box<MultiGzDecoder<Cursor<Vec<u8>>>>),
}

impl Inflate {
    /// By the bytes and not by the header: the transport may have inflated the body already, where
    /// another crate of the build has turned that on.
    pub(crate) fn new(body: Vec<u8>) -> Self {
        let gzip = body.starts_with(&[0x1F, 0x8B]);
        let body = Cursor::new(body);
        if gzip {
            Self::Gzip(Box::new(MultiGzDecoder::new(body)))
        } else {
            Self::Plain(body)
        }
    }
}

impl Read for Inflate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(bytes) => bytes.read(buffer),
            Self::Gzip(inflating) => inflating.read(buffer),
        }
    }
}

/// The beginning of a small body, such as an error's. What is broken or beyond the limit is left
/// out: the status says more than the rest of the text. And whether nothing was broken.
pub(crate) fn beginning(mut body: Vec<u8>, limit: u64) -> (Vec<u8>, bool) {
    let mut inflate = match Inflate::new(std::mem::take(&mut body)) {
        Inflate::Gzip(inflating) => inflating,
        Inflate::Plain(bytes) => {
            // Without a copy: it may hold a token, and its owner wipes it.
            let mut body = bytes.into_inner();
            body.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            return (body, true);
        }
    };
    // What was read before an error is there, and all that there is.
    let whole = inflate.by_ref().take(limit).read_to_end(&mut body).is_ok();
    (body, whole)
}
