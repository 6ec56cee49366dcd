//! The codec of all services: protobuf, weighed before it is decoded.
//!
//! The generated clients and servers decode with it, so that no message takes many times its size in memory, in any
//! call and in both directions.

mod parts;

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::Message;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

use crate::weight::{self, Part};

/// A message with a known weight.
pub(crate) trait Weighed: Message + Default + 'static {
    /// Parts that it may repeat often.
    const PARTS: &'static [Part];
}

/// Encodes `T` and decodes `U`.
pub(crate) struct WeighedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for WeighedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + 'static, U: Weighed> Codec for WeighedCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = WeighedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        WeighedDecoder(PhantomData)
    }
}

/// Decodes `U`.
pub(crate) struct WeighedDecoder<U>(PhantomData<U>);

impl<U: Weighed> Decoder for WeighedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        decode(buffer.copy_to_bytes(buffer.remaining())).map(Some)
    }
}

fn decode<U: Weighed>(message: Bytes) -> Result<U, Status> {
    // As prost's own codec reports it, so that a client continues with another peer.
    let refuse = |why: String| Status::internal(format!("message cannot be decoded: {why}"));
    weight::check(&message, U::PARTS).map_err(|e| refuse(e.to_string()))?;
    U::decode(message).map_err(|e| refuse(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::{GET_RECORD_MAX, LOOKUP_CANONICALS_MAX, SUBMIT_BYTES_MAX},
        wire,
    };

    fn is_decoded<U: Weighed>(message: &impl Message) -> bool {
        decode::<U>(message.encode_to_vec().into()).is_ok()
    }

    fn check_refused_unread<U: Weighed>(message: Bytes) {
        let Err(status) = decode::<U>(message) else {
            panic!("it is decoded")
        };
        assert!(status.message().contains("more parts"), "{status}");
    }

    /// Keeps S9.
    #[test]
    fn millions_of_empty_parts_are_refused_unread() {
        let empty = |tag: u8| Bytes::from([tag << 3 | 2, 0].repeat(SUBMIT_BYTES_MAX / 2));
        check_refused_unread::<wire::SubmitRequest>(empty(3));
        check_refused_unread::<wire::LookupResponse>(empty(3));
        check_refused_unread::<wire::GetRecordResponse>(empty(1));
        check_refused_unread::<wire::GetHeadResponse>(packed(&[1]));
    }

    /// A megabyte of equal numbers, less one byte, as the incarnations of a journal.
    fn packed(number: &[u8]) -> Bytes {
        let numbers = number.repeat(0xf_ffff / number.len());
        [&[2 << 3 | 2, 0xff, 0xff, 0x3f][..], &numbers]
            .concat()
            .into()
    }

    #[test]
    fn packed_numbers_are_counted_and_not_their_bytes() {
        let found = decode::<wire::GetHeadResponse>(packed(&[0x80, 0x80, 1])).unwrap();
        assert_eq!(found.incarnations, vec![1 << 14; 0xf_ffff / 3]);
    }

    #[test]
    fn answers_with_nothing_in_them_are_read() {
        let records = vec![Bytes::new(); GET_RECORD_MAX];
        let found = wire::GetRecordResponse { records };
        assert!(is_decoded::<wire::GetRecordResponse>(&found));

        let set = wire::Set {
            canonical: Bytes::from(vec![1; 32]),
            ..wire::Set::default()
        };
        let found = wire::LookupResponse {
            sets: vec![set; LOOKUP_CANONICALS_MAX],
            ..wire::LookupResponse::default()
        };
        assert!(is_decoded::<wire::LookupResponse>(&found));

        let found = wire::GetHeadResponse {
            incarnations: vec![1_790_000_000_000; 100_000],
            ..wire::GetHeadResponse::default()
        };
        assert!(is_decoded::<wire::GetHeadResponse>(&found));

        let block = wire::FrameBlock {
            items: vec![Bytes::from(vec![1; 41]); 10_000],
            bodies: vec![wire::Body::default(); 10_000],
            ..wire::FrameBlock::default()
        };
        let blocks = vec![block];
        assert!(is_decoded::<wire::GetBlocksResponse>(
            &wire::GetBlocksResponse { blocks }
        ));
    }
}
