//! What the command line's reader refused, in the form of every other failure.

use crate::failure::{Failure, Problem};
use clap::error::ErrorKind;

/// The reader's first line says what is wrong; why is behind its colon, and in the lines below it.
pub(crate) fn failure(error: &clap::Error) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::Usage(
            Problem::new("usage", "the command is not complete")
                .because("one of the subcommands must follow")
                .next("see them with --help"),
        );
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_hint(line));
    let first = lines.next().unwrap_or_default().trim_start_matches("error: ");
    // A value stands in quotes, and may have colons itself: `invalid value 'a: b' for '<ID>': why`.
    let (title, why) = match first.rsplit_once("': ") {
        Some((title, why)) => (format!("{title}'"), Some(why)),
        None => (first.trim_end_matches(':').to_owned(), None),
    };
    let detail: Vec<_> = why.into_iter().chain(lines).collect();
    let detail = if detail.is_empty() { title.clone() } else { detail.join("\n") };
    Failure::Usage(Problem::new("usage", title).because(detail).next("try --help"))
}

fn is_hint(line: &str) -> bool {
    line.starts_with("For more information")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn refused(line: &str) -> Problem {
        let error = crate::cli::Cli::try_parse_from(line.split(' ')).unwrap_err();
        let Failure::Usage(problem) = failure(&error) else { panic!("it is a matter of usage") };
        problem
    }

    #[test]
    fn each_kind_of_refusal_has_its_words() {
        for (line, title, detail) in [
            (
                "truecell frobnicate",
                "unrecognized subcommand 'frobnicate'",
                "Usage: truecell [OPTIONS] <COMMAND>",
            ),
            (
                "truecell device add 00aabb",
                "invalid value '00aabb' for '<ID>'",
                "a device identity has 12 or 16 hex digits, this one has 6 characters",
            ),
            (
                "truecell device move 00aabbccddee lost",
                "the following required arguments were not provided",
                "--why <",
            ),
            ("truecell device", "the command is not complete", "one of the subcommands must follow"),
            (
                "truecell init --jason",
                "unexpected argument '--jason' found",
                "a similar argument exists: '--json'",
            ),
        ] {
            let problem = refused(line);
            assert_eq!(problem.title, title, "{line}");
            assert!(problem.detail.contains(detail), "{line}: {problem:?}");
            assert!(problem.next.contains("--help"), "{line}: {problem:?}");
        }
    }
}
