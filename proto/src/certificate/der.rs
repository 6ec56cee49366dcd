//! A reader of DER that accepts only the form of X.690 section 11.
//!
//! Every replica must accept the same certificates for ever. So acceptance must not depend on the leniency of a library
//! in one of its versions.

/// Tag of a SEQUENCE.
pub(super) const SEQUENCE: u8 = 0x30;
/// Tag of a SET.
pub(super) const SET: u8 = 0x31;
/// Tag of an INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// Tag of a BIT STRING.
pub(super) const BIT_STRING: u8 = 0x03;
/// Tag of an OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// Tag of an OBJECT IDENTIFIER.
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
/// Tag of a `UTF8String`.
pub(super) const UTF8_STRING: u8 = 0x0c;
/// Tag of a `UTCTime`.
pub(super) const UTC_TIME: u8 = 0x17;
/// Tag of a `GeneralizedTime`.
pub(super) const GENERALIZED_TIME: u8 = 0x18;

/// The bytes to read. Every method returns `None` for unexpected content.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// `value` if everything was read.
    pub(super) fn end<T>(self, value: T) -> Option<T> {
        self.rest.is_empty().then_some(value)
    }

    /// Skips exactly `bytes`.
    pub(super) fn literal(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(bytes)?;
        Some(())
    }

    /// Exactly `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// The content of the next element, which must have `tag`.
    pub(super) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|(_, content)| content)
    }

    /// The next element, which must have `tag`, to be read in turn.
    pub(super) fn nested(&mut self, tag: u8) -> Option<Self> {
        self.content(tag).map(Self::new)
    }

    /// The next element, which must have `tag`: whole, and its content.
    pub(super) fn element(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let after_tag = self.rest.strip_prefix(&[tag])?;
        let (bytes, after_length) = length(after_tag)?;
        let (content, rest) = after_length.split_at_checked(bytes)?;
        let whole = self.rest.get(..self.rest.len() - rest.len())?;
        self.rest = rest;
        Some((whole, content))
    }
}

/// The length at the beginning of `bytes`, in its shortest form, and the bytes after it.
/// At most 65,535, far beyond the limit of a certificate.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (short, rest) = match *bytes {
        [n @ 0..=0x7f, ref rest @ ..] => (usize::from(n), rest),
        [0x81, n @ 0x80..=0xff, ref rest @ ..] => (usize::from(n), rest),
        [0x82, high @ 1..=0xff, low, ref rest @ ..] => {
            (usize::from(u16::from_be_bytes([high, low])), rest)
        }
        _ => return None,
    };
    Some((short, rest))
}

/// Milliseconds since 1970 of a time as RFC 5280 section 4.1.2.5 wants it: `YYMMDDHHMMSSZ` through
/// 2049, `YYYYMMDDHHMMSSZ` from then on.
pub(super) fn time_ms(reader: &mut Reader<'_>) -> Option<u64> {
    if let Some(text) = reader.content(UTC_TIME) {
        let two_digits = number(text.get(..2)?)?;
        let year = if two_digits < 50 {
            2000 + two_digits
        } else {
            1900 + two_digits
        };
        return date_ms(year, text.get(2..)?);
    }
    let text = reader.content(GENERALIZED_TIME)?;
    let year = number(text.get(..4)?)?;
    if year < 2050 {
        return None;
    }
    date_ms(year, text.get(4..)?)
}

/// Milliseconds since 1970 of a year and `MMDDHHMMSSZ`.
fn date_ms(year: u64, rest: &[u8]) -> Option<u64> {
    let (digits, b"Z") = rest.split_at_checked(10)? else {
        return None;
    };
    let mut parts = digits.chunks(2).map(number);
    let [month, day, hour, minute, second] = std::array::from_fn(|_| parts.next().flatten());
    let (month, day, hour, minute, second) = (month?, day?, hour?, minute?, second?);
    let is_time = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if year < 1970 || !is_time {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|y| if is_leap(y) { 366 } else { 365 })
        .sum();
    let months: u64 = (1..month).map(|m| days_of(year, m)).sum();
    let hours = (years + months + day - 1) * 24 + hour;
    Some(((hours * 60 + minute) * 60 + second) * 1_000)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number that at most four decimal digits write.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |n, digit| {
        digit
            .is_ascii_digit()
            .then(|| n * 10 + u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Option<u64> {
        let tag = if text.len() == 13 {
            UTC_TIME
        } else {
            GENERALIZED_TIME
        };
        let bytes = [&[tag, text.len() as u8], text.as_bytes()].concat();
        time_ms(&mut Reader::new(&bytes))
    }

    #[test]
    fn a_time_is_read_to_the_second() {
        assert_eq!(time("700101000000Z"), Some(0));
        assert_eq!(time("000229235959Z"), Some(951_868_799_000));
        assert_eq!(time("260101000000Z"), Some(1_767_225_600_000));
        assert_eq!(time("491231235959Z"), Some(2_524_607_999_000));
        assert_eq!(time("20500101000000Z"), Some(2_524_608_000_000));
        assert_eq!(time("99991231235959Z"), Some(253_402_300_799_000));
    }

    #[test]
    fn a_malformed_or_impossible_time_is_refused() {
        for text in [
            "",
            "691231235959Z",
            "500101000000Z",
            "20491231235959Z",
            "260001000000Z",
            "260229000000Z",
            "260132000000Z",
            "260431000000Z",
            "21000229000000Z",
            "261301000000Z",
            "260100000000Z",
            "260101240000Z",
            "260101006000Z",
            "260101000060Z",
            "2601010000000",
            "26010100000 Z",
            "20260101000000Z",
            "20500101000000.0Z",
            "2601010000Z",
            "260101000000+0000",
        ] {
            assert_eq!(time(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_length_is_written_as_short_as_it_can_be() {
        assert_eq!(length(&[0x7f, 1]), Some((127, &[1][..])));
        assert_eq!(length(&[0x81, 0x80]), Some((128, &[][..])));
        assert_eq!(length(&[0x82, 1, 0]), Some((256, &[][..])));
        for bytes in [
            &[][..],
            &[0x80],
            &[0x81],
            &[0x81, 0x7f],
            &[0x82, 0, 0xff],
            &[0x82, 1],
            &[0x83, 1, 0, 0],
            &[0xff],
        ] {
            assert_eq!(length(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn an_element_ends_where_it_says() {
        let mut reader = Reader::new(&[SEQUENCE, 2, INTEGER, 0, 9]);
        assert_eq!(
            reader.element(SEQUENCE),
            Some((&[SEQUENCE, 2, INTEGER, 0][..], &[INTEGER, 0][..]))
        );
        assert_eq!(reader.content(SEQUENCE), None);
        assert_eq!(reader.end(()), None);
        assert!(
            Reader::new(&[SEQUENCE, 3, 1, 1])
                .element(SEQUENCE)
                .is_none()
        );
    }
}
