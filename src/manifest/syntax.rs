//! What people meant when a text is not YAML: the parser's errors in plain words, with the usual cause.

use crate::problem::{Code, Place, Problem};
use serde_yaml::granit_parser::{ErrorKind, ScanError};

/// An error of the parser, what to say of it, and what to do.
type Line = (ErrorKind, &'static str, &'static str);

const QUOTE: &str = "put quotes around text that holds `: ` or ` #` or starts with one of `[]{}>|*&!%@#`";
const TABS: &str = "indent with spaces; YAML takes no tabs";
const CLOSE: &str = "close every `[`, `{` and quote";

const LINES: &[Line] = &[
    (ErrorKind::TabInIndentation, "a tab is used as indentation", TABS),
    (ErrorKind::TabInBlockIndentation, "a tab is used as indentation", TABS),
    (ErrorKind::TabNotAllowed, "a tab stands where only spaces may", TABS),
    (ErrorKind::TabAtBlockScalarStart, "a block of text starts with a tab", TABS),
    (ErrorKind::TabInPlainScalar, "a tab stands where only spaces may", TABS),
    (ErrorKind::MappingValueNotAllowed, "a `:` stands where no key may", QUOTE),
    (ErrorKind::MappingKeyNotAllowed, "a key stands where none may", "check the indentation of this line and of the one above"),
    (ErrorKind::ExpectedBlockMappingKey, "a key was expected here", "check the indentation: keys of one mapping start in one column"),
    (ErrorKind::ExpectedBlockSequenceEntry, "a `- ` was expected here", "check the indentation: items of one list start in one column"),
    (ErrorKind::BlockSequenceEntryNotAllowed, "a `- ` stands where no list item may", "start the list on a line of its own, below its key"),
    (ErrorKind::BlockEntryInFlowCollection, "a `- ` stands inside `[` or `{`", "separate items inside `[ ]` with commas"),
    (ErrorKind::SimpleKeyExpected, "a `:` is missing after this key", "write `key: value`, with a space after the colon"),
    (ErrorKind::InvalidSimpleKey, "a `:` is missing after this key", "write `key: value`, with a space after the colon"),
    (ErrorKind::InvalidIndentation, "the indentation fits no line above", "indent as the lines that this one belongs to"),
    (ErrorKind::UnclosedQuotedScalar, "a quote is not closed", CLOSE),
    (ErrorKind::InvalidQuotedScalarIndent, "a quote opened above is not closed", "close it, or indent its further lines"),
    (ErrorKind::UnclosedFlowCollection { open: '[' }, "a `[` is not closed", CLOSE),
    (ErrorKind::UnclosedFlowCollection { open: '{' }, "a `{` is not closed", CLOSE),
    (ErrorKind::UnexpectedEofFlowSequence, "a `[` is not closed", CLOSE),
    (ErrorKind::UnexpectedEofFlowMapping, "a `{` is not closed", CLOSE),
    (ErrorKind::ExpectedFlowSequenceSeparator, "a `,` or `]` was expected here", CLOSE),
    (ErrorKind::ExpectedFlowMappingSeparator, "a `,` or `}` was expected here", CLOSE),
    (ErrorKind::MismatchedFlowCollectionEnd { open: '[', close: '}' }, "this `[` is closed by a `}`", CLOSE),
    (ErrorKind::MismatchedFlowCollectionEnd { open: '{', close: ']' }, "this `{` is closed by a `]`", CLOSE),
    (ErrorKind::MisplacedFlowCollectionEnd, "this bracket closes nothing", "remove it, or open it first"),
    (ErrorKind::UnknownQuotedScalarEscape, "an unknown escape in double quotes", "use single quotes where `\\` is meant as it is"),
    (ErrorKind::InvalidTrailingDoubleQuotedScalar, "text follows a closing quote", "put the whole value in one pair of quotes"),
    (ErrorKind::InvalidTrailingSingleQuotedScalar, "text follows a closing quote", "write `''` for a `'` inside single quotes"),
    (ErrorKind::UnexpectedCharacter { character: '\0' }, "a NUL character", "remove it: manifests are text"),
    (ErrorKind::UnexpectedCharacter { character: '@' }, "text may not start with `@`", QUOTE),
    (ErrorKind::UnexpectedCharacter { character: '`' }, "text may not start with a backtick", QUOTE),
    (ErrorKind::UnknownAnchor, "an alias of a name that no `&name` gives", "put quotes around text that starts with `*`"),
    (ErrorKind::UndeclaredTagHandle, "a tag; manifests use none", "put quotes around text that starts with `!`"),
    (ErrorKind::DirectiveDisallowed, "a `%` directive; manifests use none", "remove the line"),
    (ErrorKind::MissingDocumentEndBeforeDirective, "a `%` directive; manifests use none", "remove the line"),
    (ErrorKind::BomInsideDocument, "a byte order mark within the text", "remove it: it may only begin a file"),
];

/// The parser's error as a problem.
pub fn explain(error: &ScanError, place: &Place) -> Problem {
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return Problem::at(Code::TooLarge, place, format!("nested deeper than {} levels", super::limits::MAX_DEPTH));
    }
    if let (ErrorKind::UnexpectedCharacter { character }, true) = (error.kind(), !LINES.iter().any(|(kind, _, _)| kind == error.kind())) {
        let message = format!("the character `{}` stands where none such may", character.escape_default());
        return Problem::at(Code::Syntax, place, message).suggest("remove it, or put the text in quotes and write it as `\\xNN`");
    }
    match LINES.iter().find(|(kind, _, _)| kind == error.kind()) {
        Some((_, message, help)) => Problem::at(Code::Syntax, place, *message).suggest(*help),
        None => Problem::at(Code::Syntax, place, error.info()),
    }
}
