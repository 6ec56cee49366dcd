//! Framing of messages: the length in four bytes, big-endian, then the message.

use bytes::{Bytes, BytesMut};
use kittengrad_proto::limits::MESSAGE_BYTES_MAX;
use quinn::{ReadExactError, RecvStream, SendStream, WriteError};
use thiserror::Error;

/// Bytes of small messages that are collected before they are written together.
const BUFFER_BYTES: usize = 64 * 1024;

/// A message could not be read. The link ends.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The stream or the connection ended.
    #[error("stream: {0}")]
    Read(#[from] ReadExactError),
    /// The announced length is above the limit.
    #[error("message of {0} bytes announced; at most {MESSAGE_BYTES_MAX}")]
    TooLarge(usize),
}

/// Reads one message.
pub(crate) async fn read(stream: &mut RecvStream) -> Result<Bytes, FrameError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(FrameError::TooLarge(length));
    }
    let mut message = BytesMut::zeroed(length);
    stream.read_exact(&mut message).await?;
    Ok(message.freeze())
}

/// A buffer of messages, so that small ones are written together.
#[derive(Default)]
pub(crate) struct Writer {
    buffer: BytesMut,
}

impl Writer {
    /// Adds one message. Returns whether the buffer is full and should be written.
    pub(crate) fn add(&mut self, message: &[u8]) -> bool {
        let length = u32::try_from(message.len()).expect("a message has at most 16 MiB");
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(message);
        self.buffer.len() >= BUFFER_BYTES
    }

    /// Writes the buffer and empties it.
    pub(crate) async fn write(&mut self, stream: &mut SendStream) -> Result<(), WriteError> {
        stream.write_chunk(self.buffer.split().freeze()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_after_its_length_in_four_bytes() {
        let mut writer = Writer::default();
        assert!(!writer.add(b"hello"));
        assert!(!writer.add(b""));
        assert_eq!(writer.buffer[..], *b"\0\0\0\x05hello\0\0\0\0");
        assert!(writer.add(&[7; BUFFER_BYTES]));
        assert_eq!(writer.buffer[13..17], [0, 1, 0, 0]);
    }
}
