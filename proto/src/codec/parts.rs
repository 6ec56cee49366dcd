//! The parts that messages of the services may repeat often.

use bytes::Bytes;

use super::Weighed;
use crate::{receipt, weight::Part, wire};

macro_rules! weighed {
    ($($message:ident: $parts:expr,)*) => {
        $(impl Weighed for wire::$message {
            const PARTS: &'static [Part] = $parts;
        })*

        #[cfg(test)]
        const ALL: &[(&str, &[Part])] = &[$((stringify!($message), $parts),)*];
    };
}

weighed! {
    SubmitRequest: &[
        Part::new::<Bytes>(3, &[]),
        Part::new::<wire::Chain>(4, CHAIN),
    ],
    SubmitResponse: &[
        Part::new::<Bytes>(4, &[]),
        Part::new::<wire::Receipt>(6, receipt::PARTS),
    ],
    LookupRequest: &[],
    LookupResponse: &[
        Part::new::<wire::Set>(3, &[Part::new::<Bytes>(5, &[])]),
        Part::new::<wire::Chain>(4, CHAIN),
    ],
    GetRecordRequest: &[],
    GetRecordResponse: &[Part::new::<Bytes>(1, &[])],
    GetRingRequest: &[],
    GetRingResponse: &[
        Part::new::<wire::Signed>(4, &[]),
        Part::new::<wire::MemberStatus>(5, &[]),
        Part::new::<wire::Signed>(6, &[]),
        Part::new::<wire::CellCompleteness>(8, CELL),
    ],
    RouteRequest: &[],
    RouteResponse: &[Part::new::<wire::Replicas>(1, &[Part::new::<wire::Signed>(2, &[])])],
    SubscribeRequest: &[],
    Frame: &[
        Part::new::<wire::FrameBlock>(1, BLOCK),
        Part::new::<wire::FrameHeartbeat>(2, &[Part::new::<Bytes>(2, &[])]),
    ],
    GetBlocksRequest: &[],
    GetBlocksResponse: &[Part::new::<wire::FrameBlock>(1, BLOCK)],
    GetHeadRequest: &[],
    GetHeadResponse: &[
        Part::packed::<u64>(2),
        Part::new::<wire::Chain>(4, CHAIN),
        Part::new::<Bytes>(5, &[]),
    ],
}

const CELL: &[Part] = &[Part::new::<Bytes>(4, &[]), Part::new::<Bytes>(5, &[])];

const CHAIN: &[Part] = &[Part::new::<Bytes>(2, &[])];

const BLOCK: &[Part] = &[
    Part::new::<Bytes>(2, &[]),
    Part::new::<wire::Body>(
        3,
        &[
            Part::new::<Bytes>(2, &[]),
            Part::new::<wire::Chain>(3, CHAIN),
        ],
    ),
    Part::new::<Bytes>(5, &[]),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use prost::Message;
    use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Label};

    use super::*;

    /// Messages by their names as fields write them.
    type Messages = BTreeMap<String, DescriptorProto>;

    /// Whether there are many of anything in a message.
    fn has_many(message: &DescriptorProto, all: &Messages) -> bool {
        message.field.iter().any(|field| {
            field.label() == Label::Repeated
                || all
                    .get(field.type_name())
                    .is_some_and(|part| has_many(part, all))
        })
    }

    fn check(message: &DescriptorProto, parts: &[Part], all: &Messages) {
        for field in &message.field {
            let inner = all.get(field.type_name());
            let is_many = field.label() == Label::Repeated;
            if !is_many && !inner.is_some_and(|inner| has_many(inner, all)) {
                continue;
            }
            let number = u32::try_from(field.number()).unwrap();
            let (name, of) = (field.name(), message.name());
            let part = parts.iter().find(|part| part.field == number);
            let part = part.unwrap_or_else(|| panic!("{name} of {of} is not weighed"));
            if let Some(inner) = inner {
                check(inner, part.parts, all);
            }
        }
    }

    #[test]
    fn whatever_a_message_of_a_service_may_have_many_of_is_weighed() {
        let files = FileDescriptorSet::decode(wire::DESCRIPTORS).unwrap().file;
        let named = files.iter().flat_map(|file| {
            let messages = file.message_type.iter();
            messages.map(|m| (format!(".{}.{}", file.package(), m.name()), m.clone()))
        });
        let all: Messages = named.collect();
        let methods = files
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|s| &s.method);
        let used: BTreeSet<_> = methods
            .flat_map(|m| [m.input_type(), m.output_type()])
            .collect();
        assert!(used.len() >= 16);
        for name in used {
            let of = |(known, _): &&(&str, _)| name.strip_prefix(".kittengrad.v1.") == Some(known);
            let (_, parts) = ALL.iter().find(of).unwrap();
            check(&all[name], parts, &all);
        }
    }
}
