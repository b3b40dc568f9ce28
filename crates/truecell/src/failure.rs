use crate::config::ConfigError;
use serde::Serialize;
use std::{fmt, io, process::ExitCode};

/// Why a command did not do what was asked. Each kind is one exit code.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The answer is no: refused, not allowed, not found, differs. Exit 1.
    No(Problem),
    /// The command line is wrong, or what it names cannot be used. Exit 2.
    Usage(Problem),
    /// The configuration is missing or wrong. Exit 64.
    Config(Vec<ConfigError>),
    /// This machine or Truecell failed, or something needed is out of reach. Exit 70.
    Ours(Problem),
}

/// What happened, why, and what to do next. The JSON form of a failure is this, as in the API's
/// problem+json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Stable, for programs.
    pub(crate) code: String,
    /// What happened.
    pub(crate) title: String,
    /// Why; may be empty.
    pub(crate) detail: String,
    /// What a person does next; may be empty.
    pub(crate) next: String,
}

impl Problem {
    pub(crate) fn new(code: &str, title: impl Into<String>) -> Self {
        Self { code: code.into(), title: title.into(), detail: String::new(), next: String::new() }
    }

    pub(crate) fn because(mut self, why: impl fmt::Display) -> Self {
        self.detail = why.to_string();
        self
    }

    pub(crate) fn next(mut self, step: impl Into<String>) -> Self {
        self.next = step.into();
        self
    }
}

impl Failure {
    /// The system did not do what it must: named with its own words.
    pub(crate) fn system(what: impl Into<String>, error: &(impl fmt::Display + ?Sized)) -> Self {
        let next = "correct what the system names, and try again";
        Self::Ours(Problem::new("system", what).because(error).next(next))
    }

    /// A folder cannot be made or written: whoever asks may choose another, or be somebody else. What a disk does is this
    /// machine's.
    pub(crate) fn folder(what: impl Into<String>, error: &io::Error) -> Self {
        use io::ErrorKind::{AlreadyExists, InvalidInput, NotADirectory, NotFound, PermissionDenied};
        let kind = error.kind();
        let next = if kind == PermissionDenied {
            "choose a folder that you may write, or run as root"
        } else if [AlreadyExists, InvalidInput, NotADirectory, NotFound].contains(&kind) {
            "choose another folder"
        } else {
            return Self::system(what, error);
        };
        Self::Usage(Problem::new("folder", what).because(error).next(next))
    }

    /// The answer is already printed and it is no.
    pub(crate) fn answered() -> Self {
        Self::No(Problem::new("", ""))
    }

    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::No(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 64,
            Self::Ours(_) => 70,
        })
    }

    /// For people, each error by itself.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::No(problem) | Self::Usage(problem) | Self::Ours(problem) => vec![problem.to_string()],
            Self::Config(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    /// One JSON document; `None` when the answer is already out.
    pub(crate) fn json(&self) -> Option<serde_json::Value> {
        match self {
            Self::No(problem) | Self::Usage(problem) | Self::Ours(problem) => {
                (!problem.title.is_empty()).then(|| serde_json::json!({ "error": problem }))
            }
            Self::Config(errors) => Some(serde_json::json!({ "error": {
                "code": "config",
                "title": "the configuration is wrong",
                "detail": errors.iter().map(ConfigError::place).collect::<Vec<_>>().join(", "),
                "next": "correct what `errors` names",
                "errors": errors,
            }})),
        }
    }
}

/// What a person does next whose process may have too few open files.
pub(crate) fn allow_files(needed: u64) -> String {
    format!(
        "in a shell `ulimit -n {needed}`, for a unit of systemd `LimitNOFILE={needed}`; where neither may raise it, do so \
         where the container or the session begins"
    )
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts().join("\n"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title)?;
        if !self.detail.is_empty() {
            write!(f, "\n  why: {}", self.detail)?;
        }
        if !self.next.is_empty() {
            write!(f, "\n  next: {}", self.next)?;
        }
        Ok(())
    }
}
