//! What is wrong with an application's settings, all of it at once.

use std::fmt;

/// What is wrong with an application's settings, all of it at once: each with the file, the line and
/// the key where it has them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

#[derive(Clone, PartialEq, Eq)]
struct Mistake {
    at: Option<At>,
    text: String,
}

/// Where something was said that is not code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// A line of a file. Of several files, the first to be read is 0.
    Line {
        file: usize,
        name: String,
        line: usize,
    },
    /// A variable, or the command line.
    Outside(String),
}

impl Mistakes {
    pub(crate) fn one(mistake: impl Into<String>) -> Self {
        let mut all = Self::default();
        all.add(mistake);
        all
    }

    pub(crate) fn add(&mut self, mistake: impl Into<String>) {
        self.add_at(None, mistake);
    }

    pub(crate) fn add_at(&mut self, at: Option<&At>, mistake: impl Into<String>) {
        let text = mistake.into();
        let text = match at {
            Some(at) => format!("{at}: {text}"),
            None => text,
        };
        self.0.push(Mistake {
            at: at.cloned(),
            text,
        });
    }

    /// Adds it, unless it is there: what is wrong with several is told once.
    pub(crate) fn add_once(&mut self, at: Option<&At>, mistake: impl Into<String>) {
        let before = self.0.len();
        self.add_at(at, mistake);
        if let Some((last, others)) = self.0.split_last()
            && others.contains(last)
        {
            self.0.truncate(before);
        }
    }

    /// Those of files first, in the order they are read.
    pub(crate) fn sort(&mut self) {
        self.0.sort_by_key(|mistake| match mistake.at {
            Some(At::Line { file, line, .. }) => (file, line),
            Some(At::Outside(_)) | None => (usize::MAX, 0),
        });
    }

    /// The mistakes, each on a line of its own.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|mistake| mistake.text.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds those of another.
    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl fmt::Display for At {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { name, line, .. } => write!(formatter, "{name}:{line}"),
            Self::Outside(name) => formatter.write_str(name),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [one] => formatter.write_str(&one.text),
            all => {
                write!(formatter, "{} mistakes:", all.len())?;
                self.iter()
                    .try_for_each(|mistake| write!(formatter, "\n  {mistake}"))
            }
        }
    }
}

/// As it reads: `main` shows errors in this form.
impl fmt::Debug for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for Mistakes {}
