//! Words: tokenizers for search in names and in running text.
//!
//! A word is a run of letters and digits in any script. Case is ignored. So are accents, precomposed or combining. `'s`
//! is dropped. Chinese and Japanese have no spaces: they are cut into single characters, and several in a row are
//! searched as a phrase. Running text is stemmed as English; names are not.

use std::str::CharIndices;

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, Stemmer, TextAnalyzer, Token, TokenStream, Tokenizer,
    TokenizerManager,
};

/// The analyser of names.
pub(crate) const NAMES: &str = "kittengrad-names";
/// The analyser of running text.
pub(crate) const TEXTS: &str = "kittengrad-texts";

/// Most bytes of one word. The rest is cut off, in documents and in queries.
const WORD_BYTES_MAX: usize = 100;

/// Registers both analysers.
pub(crate) fn register(tokenizers: &TokenizerManager) {
    tokenizers.register(NAMES, names());
    tokenizers.register(TEXTS, texts());
}

/// Makes the analyser of names.
pub(crate) fn names() -> TextAnalyzer {
    TextAnalyzer::builder(Words::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// Makes the analyser of running text.
pub(crate) fn texts() -> TextAnalyzer {
    TextAnalyzer::builder(Words::default())
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Stemmer::new(Language::English))
        .build()
}

/// Cuts `text` into words with `analyzer`.
pub(crate) fn words(analyzer: &mut TextAnalyzer, text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut stream = analyzer.token_stream(text);
    while stream.advance() {
        words.push(std::mem::take(&mut stream.token_mut().text));
    }
    words
}

/// Cuts text into words.
#[derive(Clone, Default)]
struct Words {
    token: Token,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream {
            text,
            chars: text.char_indices(),
            token: &mut self.token,
        }
    }
}

/// The words of one text.
struct WordStream<'a> {
    text: &'a str,
    chars: CharIndices<'a>,
    token: &'a mut Token,
}

impl WordStream<'_> {
    /// Reads the word that begins with `first`, to its end.
    fn read(&mut self, from: usize, first: char) {
        self.token.text.clear();
        self.push(first);
        let mut to = from + first.len_utf8();
        if !is_cut_alone(first) {
            let mut ahead = self.chars.clone();
            while let Some((at, next)) = ahead.next() {
                if !(next.is_alphanumeric() || is_mark(next)) || is_cut_alone(next) {
                    break;
                }
                self.push(next);
                to = at + next.len_utf8();
                self.chars = ahead.clone();
            }
        }
        (self.token.offset_from, self.token.offset_to) = (from, to);
    }

    fn push(&mut self, next: char) {
        if !is_mark(next) && self.token.text.len() + next.len_utf8() <= WORD_BYTES_MAX {
            self.token.text.push(next);
        }
    }

    /// Whether the current word is the `s` of `Turner's`.
    fn is_possessive(&self) -> bool {
        let before = self.text[..self.token.offset_from].chars().next_back();
        matches!(&*self.token.text, "s" | "S") && matches!(before, Some('\'' | '\u{2019}'))
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        while let Some((from, first)) = self.chars.next() {
            if !first.is_alphanumeric() {
                continue;
            }
            self.read(from, first);
            if self.is_possessive() {
                continue;
            }
            self.token.position = self.token.position.wrapping_add(1);
            return true;
        }
        false
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Whether `c` is a combining mark, such as an accent that follows its letter.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether `c` belongs to a script without spaces.
const fn is_cut_alone(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}'      // Hiragana, Katakana
        | '\u{3400}'..='\u{4dbf}'    // Han, extension A
        | '\u{4e00}'..='\u{9fff}'    // Han
        | '\u{f900}'..='\u{faff}'    // Han, compatibility
        | '\u{20000}'..='\u{323af}') // Han, further extensions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(&mut names(), text), expected, "{text:?}");
    }

    #[test]
    fn case_and_accents_do_not_matter() {
        check("Paul Cézanne", &["paul", "cezanne"]);
        check("Paul Ce\u{301}zanne", &["paul", "cezanne"]);
        check("ŁÓDŹ Straße Æthel", &["lodz", "strasse", "aethel"]);
        check("Ἀκρόπολις", &["ἀκρόπολις"]);
    }

    #[test]
    fn words_are_cut_at_everything_that_is_no_letter_or_digit() {
        check("tate:artwork:1035", &["tate", "artwork", "1035"]);
        check(
            "Turner's ‘Snow Storm’ (1842)",
            &["turner", "snow", "storm", "1842"],
        );
        check("O'Keeffe’s", &["o", "keeffe"]);
        check("J.M.W. Turner", &["j", "m", "w", "turner"]);
        check(" \u{301} — & \u{202e}", &[]);
        check("", &[]);
    }

    #[test]
    fn scripts_without_spaces_are_cut_into_characters() {
        check(
            "神奈川沖浪裏 Wave",
            &["神", "奈", "川", "沖", "浪", "裏", "wave"],
        );
        check("Kanagawa神奈川", &["kanagawa", "神", "奈", "川"]);
    }

    #[test]
    fn running_text_is_stemmed() {
        assert_eq!(
            words(&mut texts(), "Paintings of painted ships"),
            ["paint", "of", "paint", "ship"]
        );
    }

    #[test]
    fn a_word_without_end_is_cut_off() {
        let found = words(&mut names(), &"x".repeat(1_000_000));
        assert_eq!(found, ["x".repeat(WORD_BYTES_MAX)]);
        let found = words(&mut names(), &"\u{1f1e6}é".repeat(1_000));
        assert!(found.iter().all(|word| word.len() <= WORD_BYTES_MAX));
    }
}
