//! error.properties: codes and their words.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    fmt, fs, io,
    path::{Path, PathBuf},
    str,
};

use super::{ErrorTexts, syntax};

/// The words for codes, as krpc's error.properties has them: `-100001 = user name is taken`.
///
/// The file is UTF-8 in the syntax of Java's properties: `=`, `:` or space after the code, comments
/// from `#` or `!`, lines continued by a `\` at their end, escapes `\t`, `\n`, `\r`, `\f`, `\uXXXX`;
/// before another character `\` stands for nothing. As in Java, spaces at the end of a line belong
/// to the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    texts: HashMap<i32, String>,
}

/// Why there are no texts.
#[derive(Debug, thiserror::Error)]
pub enum PropertiesError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why. A missing file is [`io::ErrorKind::NotFound`].
        source: io::Error,
    },
    /// What it says is wrong, all of it at once.
    #[error("{}", lines(file, mistakes))]
    Mistaken {
        /// Which file; empty if the text came from elsewhere.
        file: PathBuf,
        /// What is wrong, by line.
        mistakes: Vec<Mistake>,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line it begins in; the first is 1.
    pub line: usize,
    /// What it is.
    pub problem: String,
}

fn lines(file: &Path, mistakes: &[Mistake]) -> String {
    let line = |Mistake { line, problem }: &Mistake| match file.as_os_str().is_empty() {
        true => format!("line {line}: {problem}"),
        false => format!("{}:{line}: {problem}", file.display()),
    };
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Properties {
    /// Reads a file. It blocks; meant for a server's start.
    ///
    /// # Errors
    /// A file that is missing or cannot be read, and whatever [`parse`](Self::parse) finds.
    pub fn load(file: impl AsRef<Path>) -> Result<Self, PropertiesError> {
        let file = file.as_ref();
        let bytes = fs::read(file).map_err(|source| PropertiesError::Unreadable {
            file: file.to_path_buf(),
            source,
        })?;
        read(&bytes).map_err(|mistakes| PropertiesError::Mistaken {
            file: file.to_path_buf(),
            mistakes,
        })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// Keys that are no codes, codes that are given twice, broken `\u` escapes.
    pub fn parse(text: &str) -> Result<Self, PropertiesError> {
        read(text.as_bytes()).map_err(|mistakes| PropertiesError::Mistaken {
            file: PathBuf::new(),
            mistakes,
        })
    }

    /// How many codes have words.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

impl ErrorTexts for Properties {
    fn text(&self, code: i32) -> Option<Cow<'_, str>> {
        self.texts.get(&code).map(|text| Cow::from(text.as_str()))
    }
}

fn read(bytes: &[u8]) -> Result<Properties, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut texts = HashMap::new();
    let mut first_lines: HashMap<i32, usize> = HashMap::new();
    for (line, property) in syntax::properties(bytes) {
        let mut wrong = |problem: String| mistakes.push(Mistake { line, problem });
        let (key, text) = match property {
            Ok(property) => property,
            Err(problem) => {
                wrong(problem.to_string());
                continue;
            }
        };
        let Ok(code) = key.parse::<i32>() else {
            wrong(format!(
                "`{}`: expected a code, as in `-100001=words`",
                Shown(&key)
            ));
            continue;
        };
        match first_lines.entry(code) {
            Entry::Occupied(first) => wrong(format!(
                "{code} has words already, in line {}; leave out one",
                first.get()
            )),
            Entry::Vacant(place) => {
                place.insert(line);
                texts.insert(code, text);
            }
        }
    }
    if mistakes.is_empty() {
        Ok(Properties { texts })
    } else {
        Err(mistakes)
    }
}

/// A key in a message: on one line, and no longer than a line.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 40;
        for character in self.0.chars().take(LONGEST) {
            write!(formatter, "{}", character.escape_debug())?;
        }
        match self.0.chars().nth(LONGEST) {
            Some(_) => formatter.write_str("..."),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(properties: &Properties, code: i32) -> Option<String> {
        properties.text(code).map(Cow::into_owned)
    }

    fn mistakes(bytes: &[u8]) -> Vec<(usize, String)> {
        let mistakes = read(bytes).unwrap_err();
        mistakes
            .into_iter()
            .map(|mistake| (mistake.line, mistake.problem))
            .collect()
    }

    #[test]
    fn a_code_has_the_words_of_its_line() {
        let properties = "# of the user service\n-100001=name is taken\n\n-100002 = 用户不存在\n";
        let properties = Properties::parse(properties).unwrap();
        assert_eq!(text(&properties, -100_001).unwrap(), "name is taken");
        assert_eq!(text(&properties, -100_002).unwrap(), "用户不存在");
        assert_eq!(text(&properties, -100_003), None);
        assert_eq!(properties.len(), 2);
    }

    #[test]
    fn an_empty_text_has_no_words_and_no_mistakes() {
        assert!(Properties::parse("").unwrap().is_empty());
        assert!(Properties::parse("\n# nothing yet").unwrap().is_empty());
    }

    #[test]
    fn keys_are_codes_of_32_bits() {
        let properties = Properties::parse("-2147483648=a\n2147483647=b").unwrap();
        assert_eq!(text(&properties, i32::MIN).unwrap(), "a");
        assert_eq!(text(&properties, i32::MAX).unwrap(), "b");
        let wrong = mistakes(b"-2147483649=a\n2147483648=b\n=c\n1.5=d\n0x1=e");
        assert_eq!(wrong.len(), 5);
        assert_eq!(
            wrong[0].1,
            "`-2147483649`: expected a code, as in `-100001=words`"
        );
    }

    #[test]
    fn a_long_key_is_shown_shortened_and_on_one_line() {
        let shown = |key: &str| mistakes(key.as_bytes()).remove(0).1;
        assert!(shown(&"x".repeat(40)).starts_with(&format!("`{}`:", "x".repeat(40))));
        assert!(shown(&"x".repeat(41)).starts_with(&format!("`{}...`:", "x".repeat(40))));
        assert!(shown("a\\nb=c").starts_with("`a\\nb`:"));
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let mut file = b"-1=one\nname=x\n-2=\\u12\n-3=a \\\n   b\n-1=again\n".to_vec();
        file.extend(b"-4=\xff\n-5=\\ud83d!");
        assert_eq!(
            mistakes(&file),
            [
                (2, "`name`: expected a code, as in `-100001=words`"),
                (3, "`\\u` needs four hexadecimal digits"),
                (6, "-1 has words already, in line 1; leave out one"),
                (7, "not UTF-8; save the file in that encoding"),
                (
                    8,
                    "half of a surrogate pair: `\\u` escapes of one character belong together"
                ),
            ]
            .map(|(line, problem)| (line, problem.to_owned()))
        );
    }

    #[test]
    fn a_missing_file_is_told_from_one_that_is_wrong() {
        let error = Properties::load("no/such/error.properties").unwrap_err();
        let PropertiesError::Unreadable { file, source } = &error else {
            panic!("{error}");
        };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        assert_eq!(file, Path::new("no/such/error.properties"));
        assert!(error.to_string().starts_with("no/such/error.properties: "));
    }
}
