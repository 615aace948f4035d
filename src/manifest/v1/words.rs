//! Texts with a rule: names, versions, addresses. One table gives each its check, its message and its pattern in the schema.
//!
//! Most are a first character, further characters and a length. None can start with `-`, hold white space or a line end unless
//! its rule says so: many end up as arguments of programs.

use crate::model::Invalid;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt;

/// What a text may be.
pub struct Rule {
    /// What it is, with its article: `a package name`.
    what: &'static str,
    /// The rule in words.
    words: &'static str,
    /// The rule as a regular expression, for editors.
    pattern: &'static str,
    /// The rule.
    holds: fn(&str) -> bool,
}

impl Rule {
    fn check(&self, text: String) -> Result<String, Invalid> {
        if (self.holds)(&text) {
            return Ok(text);
        }
        let subject = if text.is_empty() { "an empty text".into() } else { format!("`{}`", shown(&text)) };
        Err(Invalid::new(format!("{subject} is not {}: {}", self.what, self.words)))
    }
}

/// A text for a message: without secrets that an address may hold, without control characters, not too long.
fn shown(text: &str) -> String {
    /// Longer texts are cut: the caret shows the rest.
    const LONGEST: usize = 60;
    let public = match text.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://…@{rest}"),
        None => text.to_owned(),
    };
    let mut cut: String = public.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if public.chars().count() > LONGEST {
        cut.push('…');
    }
    cut.replace("\\'", "'").replace("\\\"", "\"")
}

/// First character, further characters, length in bytes.
fn shaped(text: &str, first: fn(char) -> bool, rest: fn(char) -> bool, lengths: std::ops::RangeInclusive<usize>) -> bool {
    let mut chars = text.chars();
    lengths.contains(&text.len()) && chars.next().is_some_and(first) && chars.all(rest)
}

const fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

const fn any(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn package(text: &str) -> bool {
    let (name, version) = text.split_once('=').map_or((text, None), |(name, version)| (name, Some(version)));
    let (name, architecture) = name.split_once(':').map_or((name, None), |(name, architecture)| (name, Some(architecture)));
    shaped(name, lower, |c| lower(c) || "+.-".contains(c), 2..=128)
        && !name.ends_with('-') // apt reads `name-` as a wish to remove it
        && architecture.is_none_or(|text| shaped(text, lower, lower, 1..=16))
        && version.is_none_or(|text| shaped(text, any, |c| any(c) || "+.:~*-".contains(c), 1..=128))
}

/// Printable ASCII without white space, quotes and what sources.list(5) or shells treat specially.
fn plain_url(text: &str, schemes: &[&str]) -> bool {
    let Some(rest) = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)) else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    !rest.is_empty() && !authority.contains('@') && rest.chars().all(|c| c.is_ascii_graphic() && !"\"'`\\<>{}|^[]".contains(c))
}

/// Whether an address in the text carries a user or password.
fn has_login(text: &str) -> bool {
    let authority =
        |rest: &str| rest.split(|c: char| c == '/' || c.is_whitespace()).next().is_some_and(|authority| authority.contains('@'));
    text.split("://").skip(1).any(authority)
}

fn debconf_question(text: &str) -> bool {
    let part = |text: &str| shaped(text, |c| any(c) || "+._-".contains(c), |c| any(c) || "+._-".contains(c), 1..=128);
    text.contains('/') && text.starts_with(any) && text.split('/').all(part)
}

fn locale(text: &str) -> bool {
    let Some(place) = text.strip_suffix(".UTF-8") else { return false };
    let of = |(language, country): (&str, &str)| {
        (2..=3).contains(&language.len())
            && country.len() == 2
            && language.chars().all(|c| c.is_ascii_lowercase())
            && country.chars().all(|c| c.is_ascii_uppercase())
    };
    place == "C" || place.split_once('_').is_some_and(of)
}

fn dotted(text: &str, parts: std::ops::RangeInclusive<usize>) -> bool {
    let numbers: Vec<&str> = text.split('.').collect();
    parts.contains(&numbers.len()) && numbers.iter().all(|part| shaped(part, |c| c.is_ascii_digit(), |c| c.is_ascii_digit(), 1..=5))
}

/// An id as Azure and Microsoft Entra write it.
fn guid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// `/subscriptions/ID/resourceGroups/GROUP/providers/NAMESPACE/KIND/NAME`, whatever the case of the fixed words, as Azure's SDK checks it.
fn resource_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    let ["", subscriptions, subscription, groups, group, providers, namespace, kind, name, ..] = parts.as_slice() else { return false };
    subscriptions.eq_ignore_ascii_case("subscriptions")
        && guid(subscription)
        && groups.eq_ignore_ascii_case("resourceGroups")
        && providers.eq_ignore_ascii_case("providers")
        && shaped(namespace, |c| c.is_ascii_alphabetic(), |c| c.is_ascii_alphabetic() || c == '.', 1..=90)
        && shaped(kind, |c| c.is_ascii_alphabetic(), |c| c.is_ascii_alphabetic(), 1..=90)
        && !group.is_empty()
        && !name.is_empty()
        && text.len() <= 2048
        && text.chars().all(|c| c.is_ascii_graphic())
}

fn network_name(text: &str) -> bool {
    shaped(text, any, |c| any(c) || "_.-".contains(c), 1..=80)
}

/// `yyyy-MM-ddTHH:mm:ss`, and a day that exists.
fn wall_time(text: &str) -> bool {
    text.len() == 19 && jiff::civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S", text).is_ok()
}

fn image_reference(text: &str) -> bool {
    shaped(text, lower, |c| any(c) || "._/:@+-".contains(c), 1..=512) && !text.contains("//") && !text.ends_with([':', '/', '@'])
}

fn sysctl_key(text: &str) -> bool {
    let mut parts = text.split(['.', '/']);
    let first = parts.next().is_some_and(|part| shaped(part, |c| lower(c) || c == '_', |c| lower(c) || c == '_', 1..=128));
    let mut rest = parts.peekable();
    let named = |part: &str| shaped(part, |c| any(c) || "_*-".contains(c), |c| any(c) || "_*-".contains(c), 1..=128);
    (3..=128).contains(&text.len()) && first && rest.peek().is_some() && rest.all(named)
}

fn console(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("tty") else { return false };
    let number = rest.trim_start_matches(|c: char| c.is_ascii_uppercase());
    (1..=4).contains(&(rest.len() - number.len())) && (1..=2).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit())
}

fn printable(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $words:literal, $pattern:literal, $holds:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
            #[serde(try_from = "String")]
            pub struct $name(String);

            impl $name {
                const RULE: Rule = Rule { what: $what, words: $words, pattern: $pattern, holds: $holds };

                /// The text.
                #[must_use]
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
                }
            }

            impl TryFrom<String> for $name {
                type Error = Invalid;
                fn try_from(text: String) -> Result<Self, Invalid> {
                    Self::RULE.check(text).map(Self)
                }
            }

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({"type": "string", "pattern": Self::RULE.pattern, "description": concat!($what, ": ", $words)})
                }
            }
        )*

        #[cfg(test)]
        const RULES: &[Rule] = &[$($name::RULE,)*];
    };
}

words! {
    /// A package of the distribution.
    PackageRequest: "a package", "write `name` or `name=version`, as apt takes them; names have lower-case letters, digits, `+`, `.`, `-`",
        r"^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9][A-Za-z0-9+.:~*-]*)?$", package;
    /// A question of debconf.
    DebconfQuestion: "a question of debconf", "write PACKAGE/NAME, such as tzdata/Areas",
        r"^[A-Za-z0-9][A-Za-z0-9+._-]*(/[A-Za-z0-9+._-]+)+$", debconf_question;
    /// A locale.
    LocaleName: "a locale", "write it as en_US.UTF-8, or C.UTF-8; a language, a country, and UTF-8",
        r"^([a-z]{2,3}_[A-Z]{2}|C)\.UTF-8$", locale;
    /// A group of users.
    GroupName: "a group name", "a lower-case letter or `_` first, then lower-case letters, digits, `_`, `-`; at most 32",
        r"^[a-z_][a-z0-9_-]{0,31}$", |text| shaped(text, |c| c.is_ascii_lowercase() || c == '_', |c| lower(c) || "_-".contains(c), 1..=32);
    /// The owner of a file.
    OwnerName: "an owner", "write `root`, `user` for the owner of the machine, or a login name",
        r"^[a-z_][a-z0-9_-]{0,31}$", |text| shaped(text, |c| c.is_ascii_lowercase() || c == '_', |c| lower(c) || "_-".contains(c), 1..=32);
    /// A repository's name.
    RepositoryName: "a repository name", "lower-case letters, digits, `.`, `-`; a letter or digit first; at most 64",
        r"^[a-z0-9][a-z0-9.-]{0,63}$", |text| shaped(text, lower, |c| lower(c) || ".-".contains(c), 1..=64);
    /// A repository's address.
    RepositoryUri: "the address of a repository", "write https://…, http://… or file:/…, without a user or password",
        r"^(https?://|file:/)[^@\s]+$", |text| plain_url(text, &["https://", "http://", "file:/"]);
    /// A suite of a repository.
    Suite: "a suite", "letters, digits, `.`, `_`, `/`, `+`, `~`, `-`; a path ending in `/` for a flat repository",
        r"^[A-Za-z0-9./][A-Za-z0-9._/+~-]{0,127}$", |text| shaped(text, |c| any(c) || "./".contains(c), |c| any(c) || "._/+~-".contains(c), 1..=128);
    /// A component of a repository.
    Component: "a component", "letters, digits, `.`, `_`, `/`, `-`; a letter or digit first",
        r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$", |text| shaped(text, any, |c| any(c) || "._/-".contains(c), 1..=128);
    /// A file beside the manifest.
    SourcePath: "the path of a file", "relative to the file that names it, or absolute; `~` has no meaning here",
        r"^[^~\s][^\n]*$", |text| printable(text, 4095) && !text.starts_with(['~', ' ']);
    /// The text of a link.
    LinkText: "the text of a link", "write the path that it points at: absolute, or relative to its own folder",
        r"^(?=.*\S)[^\n]{1,4095}$", |text| printable(text, 4095);
    /// A drop-in of a unit.
    DropInName: "the name of a drop-in", "letters, digits, `_`, `.`, `@`, `-`, and `.conf` at the end",
        r"^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,120}\.conf$", |text| text.strip_suffix(".conf").is_some_and(|name| shaped(name, |c| any(c) || c == '_', |c| any(c) || "_.@-".contains(c), 1..=121));
    /// A setting of the kernel.
    SysctlKey: "a setting of the kernel", "write it as sysctl does, such as vm.max_map_count",
        r"^(?=.{3,128}$)[a-z0-9_]+([./][A-Za-z0-9_*-]+)+$", sysctl_key;
    /// Paths that Fitout never touches.
    PathPattern: "a pattern of paths", "write an absolute path, in which `*` stands for any part of a name and `**` for any folders",
        r"^/[^\n]{0,4094}$", |text| text.starts_with('/') && printable(text, 4095) && glob::Pattern::new(text).is_ok();
    /// The name of an environment.
    EnvironmentName: "the name of an environment", "letters, digits, `_`, `.`, `-`; a letter, digit or `_` first; at most 64",
        r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", |text| shaped(text, |c| any(c) || c == '_', |c| any(c) || "_.-".contains(c), 1..=64);
    /// The name of a Jupyter kernel.
    KernelName: "the name of a kernel", "letters, digits, `_`, `.`, `-`; a letter or digit first; at most 64",
        r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", |text| shaped(text, any, |c| any(c) || "_.-".contains(c), 1..=64);
    /// What people see.
    Label: "a label", "printable characters, at most 120",
        r"^(?=.*\S)[^\n]{1,120}$", |text| printable(text, 120);
    /// The name of a share.
    ShareName: "the name of a share", "lower-case letters, digits, `-`; a letter or digit first; at most 48",
        r"^[a-z0-9][a-z0-9-]{0,47}$", |text| shaped(text, lower, |c| lower(c) || c == '-', 1..=48);
    /// A storage account.
    StorageAccount: "a storage account", "3 to 24 lower-case letters and digits",
        r"^[a-z0-9]{3,24}$", |text| shaped(text, lower, lower, 3..=24);
    /// A container of Blob storage, or a share of Azure Files.
    StorageName: "a container or share", "3 to 63 lower-case letters, digits and single `-`, a letter or digit first and last",
        r"^(?=.{3,63}$)[a-z0-9](-?[a-z0-9])+$", |text| shaped(text, lower, |c| lower(c) || c == '-', 3..=63) && !text.contains("--") && !text.ends_with('-');
    /// The client id of a managed identity.
    ClientId: "a client id", "five groups of hexadecimal digits, as in 00000000-0000-0000-0000-000000000000",
        r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", guid;
    /// An id of Azure or Microsoft Entra.
    Guid: "an id of Azure", "five groups of hexadecimal digits, as in 00000000-0000-0000-0000-000000000000",
        r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", guid;
    /// A resource of Azure.
    ArmId: "the id of a resource of Azure", "write /subscriptions/ID/resourceGroups/GROUP/providers/NAMESPACE/KIND/NAME",
        r"^/[Ss][Uu][Bb][Ss][Cc][Rr][Ii][Pp][Tt][Ii][Oo][Nn][Ss]/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/[Rr][Ee][Ss][Oo][Uu][Rr][Cc][Ee][Gg][Rr][Oo][Uu][Pp][Ss]/[!-.0-~]+/[Pp][Rr][Oo][Vv][Ii][Dd][Ee][Rr][Ss]/[A-Za-z][A-Za-z.]*/[A-Za-z]+/[!-.0-~][!-~]*$", resource_id;
    /// A virtual network.
    NetworkName: "the name of a virtual network", "letters, digits, `_`, `.`, `-`; a letter or digit first; at most 80",
        r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$", network_name;
    /// A subnet.
    Subnet: "a subnet", "write its name, or its whole id: /subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Network/virtualNetworks/NAME/subnets/NAME",
        r"^(/[A-Za-z]+/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}/[A-Za-z]+/[!-.0-~]+/[A-Za-z]+/[A-Za-z][A-Za-z.]*/[A-Za-z]+/[!-.0-~][!-~]*|[A-Za-z0-9][A-Za-z0-9_.-]{0,79})$", |text| network_name(text) || resource_id(text);
    /// A size of virtual machine.
    VmSize: "a size of virtual machine", "write it as Azure does, such as Standard_DS3_v2",
        r"^[A-Za-z][A-Za-z0-9_-]{1,63}$", |text| shaped(text, |c| c.is_ascii_alphabetic(), |c| any(c) || "_-".contains(c), 2..=64);
    /// A date and a time of day, on some clock.
    WallTime: "a date and time", "write it as 2026-03-01T18:00:00, without a zone",
        r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$", wall_time;
    /// An image of a container.
    ImageReference: "an image of a container", "write registry/name:tag, such as ghcr.io/azure/rocker-rstudio-ml-verse:latest",
        r"^(?!.*//)[a-z0-9]([A-Za-z0-9._/:@+-]{0,510}[A-Za-z0-9._+-])?$", image_reference;
    /// A variable of an environment.
    VariableName: "the name of a variable", "letters, digits and `_`, no digit first",
        r"^[A-Za-z_][A-Za-z0-9_]{0,254}$", |text| shaped(text, |c| c.is_ascii_alphabetic() || c == '_', |c| any(c) || c == '_', 1..=255);
    /// A version that conda is told of the machine.
    VirtualVersion: "a version of a virtual package", "write its numbers in quotes, such as \"12.4\"",
        r"^\d{1,5}(\.\d{1,5}){0,3}$", |text| dotted(text, 1..=4);
    /// A kind of processor.
    Archspec: "a kind of processor", "write it as archspec does, such as x86_64_v3",
        r"^[a-z][a-z0-9_]{0,63}$", |text| shaped(text, |c| c.is_ascii_lowercase(), |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_', 1..=64);
    /// A version of CUDA.
    CudaVersion: "a version of CUDA", "write it in quotes, such as \"12.4.1\" or \"13.0\"",
        r"^\d{1,5}(\.\d{1,5}){1,2}$", |text| dotted(text, 2..=3);
    /// A release of Intel MPI.
    MpiVersion: "a release of Intel MPI", "write its year and number in quotes, such as \"2021.12\"",
        r"^20\d\d\.\d{1,2}(\.\d{1,2})?$", |text| dotted(text, 2..=3) && text.starts_with("20");
    /// A branch of NVIDIA's driver.
    DriverBranch: "a branch of the driver", "write its number in quotes, such as \"550\"",
        r"^\d{3}$", |text| dotted(text, 1..=1) && text.len() == 3;
    /// A version of NVIDIA's driver.
    DriverVersion: "a version of the driver", "write all of it in quotes, such as \"550.54.15\"",
        r"^\d{1,5}(\.\d{1,5}){1,2}$", |text| dotted(text, 2..=3);
    /// An architecture of GPUs.
    GpuArchitecture: "an architecture of GPUs", "write it as nvcc does, such as sm_90",
        r"^sm_\d{2,3}[af]?$", |text| text.strip_prefix("sm_").is_some_and(|rest| {
            let number = rest.strip_suffix(['a', 'f']).unwrap_or(rest);
            (2..=3).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit())
        });
    /// A release in three numbers.
    ReleaseVersion: "a release", "write its three numbers in quotes, such as \"9.13.0\"",
        r"^\d{1,5}(\.\d{1,5}){2}$", |text| dotted(text, 3..=3);
    /// A version of Python.
    PythonVersion: "a version of Python that an environment can ask for", "write 3 and the minor release in quotes, such as \"3.11\"; the patch release is the distribution's",
        r"^3\.\d{1,2}$", |text| dotted(text, 2..=2) && text.starts_with("3.") && text.len() <= 4;
    /// A requirement, as pip takes it.
    Requirement: "a requirement", "write it as pip takes it on one line, such as \"numpy>=2\"; no options such as `-r`, no passwords",
        r"^[A-Za-z0-9](?!.*://[^/\s]*@)[^\n]*$", |text| printable(text, 1000) && text.starts_with(any) && !has_login(text);
    /// A channel of conda packages.
    Channel: "a channel", "write a name such as conda-forge, or an https:// or file:/ address without a user or password",
        r"^((https?://|file:/)[^@\s]+|[A-Za-z0-9][A-Za-z0-9._/-]*)$", |text| plain_url(text, &["https://", "http://", "file:/"]) || shaped(text, any, |c| any(c) || "._/-".contains(c), 1..=128);
    /// The address of a package index.
    IndexUrl: "the address of a package index", "write https://… without a user or password",
        r"^https?://[^@\s]+$", |text| plain_url(text, &["https://", "http://"]);
    /// The address of a server.
    ServerUrl: "the address of a server", "write https://… without a user or password",
        r"^https?://[^@\s]+$", |text| plain_url(text, &["https://", "http://"]);
    /// What is asked without a proxy.
    NoProxy: "a host, a domain or a network", "write it as NO_PROXY has it: host.example.org, .example.org, 10.0.0.0/8",
        r"^[A-Za-z0-9.:][A-Za-z0-9.:_/-]{0,252}$", |text| shaped(text, |c| any(c) || ".:".contains(c), |c| any(c) || ".:_/-".contains(c), 1..=253);
    /// The name of an image.
    ImageName: "the name of an image", "lower-case letters, digits, `.`, `-`; a letter or digit first; at most 64",
        r"^[a-z0-9][a-z0-9.-]{0,63}$", |text| shaped(text, lower, |c| lower(c) || ".-".contains(c), 1..=64);
    /// A serial console.
    Console: "a console", "write a terminal of the kernel, such as ttyS0",
        r"^tty[A-Z]{1,4}[0-9]{1,2}$", console;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that are wrong everywhere, and good ones of several kinds; check and pattern must agree on each.
    const SAMPLES: &[&str] = &[
        "",
        " ",
        "a\nb",
        "-rf",
        "git",
        "g++",
        "git-",
        "git=1:2.39*",
        "libc6:amd64=2.36-9",
        "Git",
        "git/stable",
        "https://e.org/x",
        "https://u:p@e.org/",
        "http://e.org",
        "file:/srv/repo",
        "ftp://e.org",
        "12.4",
        "12.4.1",
        "12",
        "3.11",
        "3.11.2",
        "3.111",
        "4.1",
        "azureml_py310_sdkv2",
        "a--b",
        "ab-",
        "labstorage",
        "ab",
        "a",
        "code-391ff5ac-6576-460f-ba4d-7e03433c68b6",
        "00000000-0000-0000-0000-000000000000",
        "0-0",
        "numpy>=2",
        "a @ https://u:p@e.org/x",
        "numpy; x",
        "conda-forge",
        "./",
        "/",
        "stable/",
        "root",
        "Root",
        "_apt",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/lab/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
        "/Subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/lab/providers/Microsoft.ManagedIdentity/userAssignedIdentities/x",
        "/subscriptions/0/resourceGroups/lab/providers/Microsoft.Network/virtualNetworks/v",
        "/subscriptions/00000000-0000-0000-0000-000000000000",
        "Standard_DS3_v2",
        "2026-03-01T18:00:00",
        "2026-03-01",
        "ghcr.io/azure/rocker-rstudio-ml-verse:latest",
        "registry.example.org:5000/x@sha256:00",
        "x:",
        "RSP_LICENSE",
        "9X",
        "keys/a.pub",
        "~/a.pub",
        "../a b",
        "Python 3.11 (quick)",
        "x y",
    ];

    #[test]
    fn patterns_say_what_checks_say() {
        for rule in RULES {
            let schema = serde_json::json!({"type": "string", "pattern": rule.pattern});
            let validator = jsonschema::validator_for(&schema).unwrap();
            for sample in SAMPLES.iter().copied() {
                assert_eq!((rule.holds)(sample), validator.is_valid(&sample.into()), "{}: {sample:?}", rule.what);
            }
        }
    }

    #[test]
    fn messages_show_no_password() {
        let error = IndexUrl::try_from("https://bob:hunter2@e.org/simple".to_owned()).unwrap_err();
        assert_eq!(error.0, "`https://…@e.org/simple` is not the address of a package index: write https://… without a user or password");
    }
}
