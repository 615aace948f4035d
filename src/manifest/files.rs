//! The files that a manifest points at, behind a trait: tests need no disk, and nothing else here opens a file.

use crate::step::FileKind;
use crate::target::{Doubt, Writers};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Where files that a manifest names are read from.
pub trait Files {
    /// The bytes of a file, at most `limit` of them; `None` where there is no such file.
    ///
    /// # Errors
    /// The file is there and cannot be read, or is longer.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// The names of what is in a folder; none where there is no such folder.
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// What is at a path, if anything; links are not followed.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>>;
}

/// The files of this host, as far as one of these wrote them.
#[derive(Debug, Clone, Default)]
pub struct HostFiles {
    writers: Writers,
    /// Folders that were found to be theirs.
    theirs: RefCell<BTreeSet<PathBuf>>,
}

impl HostFiles {
    /// Those that these may have written, and nobody else.
    #[must_use]
    pub fn of(writers: Writers) -> Self {
        Self { writers, theirs: RefCell::default() }
    }

    fn check(&self, file: &File, path: &Path) -> io::Result<()> {
        self.writers.check(file)?;
        if self.writers == Writers::Anybody || !file.metadata()?.is_file() {
            return Ok(());
        }
        let folder = |path: &Path| path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
        let mut folders = vec![folder(path)];
        if path.is_symlink() {
            folders.push(folder(&path.canonicalize()?));
        }
        folders.into_iter().try_for_each(|folder| {
            if !self.theirs.borrow().contains(&folder) {
                self.writers.check_folder(&folder)?;
                self.theirs.borrow_mut().insert(folder);
            }
            Ok(())
        })
    }
}

impl Files for HostFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        self.check(&file, path)?;
        // As long as it says it is, and not twice that.
        let length = file.metadata().map_or(0, |seen| seen.len().min(limit)) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(too_long(limit)) } else { Ok(Some(bytes)) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match std::fs::read_dir(folder) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        match std::fs::symlink_metadata(path) {
            Ok(seen) if seen.is_dir() => Ok(Some(FileKind::Directory)),
            Ok(seen) if seen.is_file() => Ok(Some(FileKind::File)),
            Ok(seen) => Ok(Some(if seen.is_symlink() { FileKind::Symlink } else { FileKind::Other })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The files below a folder, at most `most` of them, by their paths from there, in order.
///
/// # Errors
/// The folder cannot be read, holds more, or something that is neither a file nor a folder.
pub fn below(files: &dyn Files, folder: &Path, most: usize) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    gather(files, folder, "", most, &mut found)?;
    found.sort();
    Ok(found)
}

fn gather(files: &dyn Files, top: &Path, inside: &str, most: usize, found: &mut Vec<String>) -> io::Result<()> {
    for name in files.list(&top.join(inside))? {
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        match files.kind(&top.join(&path))? {
            Some(FileKind::Directory) => gather(files, top, &path, most, found)?,
            Some(FileKind::File) => found.push(path),
            _ => return Err(io::Error::other(format!("{path} is neither a file nor a folder"))),
        }
        if found.len() > most {
            return Err(io::Error::other(format!("it holds more than {most} files")));
        }
    }
    Ok(())
}

/// Files that are remembered as they are read: read once, however often they are asked for.
pub struct Kept {
    files: Box<dyn Files>,
    seen: RefCell<BTreeMap<PathBuf, Option<Vec<u8>>>>,
}

impl Kept {
    /// Nothing read yet.
    pub fn new(files: impl Files + 'static) -> Self {
        Self { files: Box::new(files), seen: RefCell::default() }
    }

    /// What was read.
    pub fn read_so_far(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        self.seen.borrow().iter().filter_map(|(path, bytes)| Some((path.clone(), bytes.clone()?))).collect()
    }
}

impl Files for Kept {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        if let Some(found) = self.seen.borrow().get(path) {
            return match found {
                Some(bytes) if bytes.len() as u64 > limit => Err(too_long(limit)),
                found => Ok(found.clone()),
            };
        }
        let found = self.files.read(path, limit)?;
        self.seen.borrow_mut().insert(path.to_owned(), found.clone());
        Ok(found)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.files.list(folder)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        self.files.kind(path)
    }
}

/// Files in memory, by path.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for MemoryFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        match path.to_str().and_then(|path| self.0.get(path)) {
            Some(bytes) if bytes.len() as u64 > limit => Err(too_long(limit)),
            found => Ok(found.cloned()),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let inside = self.0.keys().filter_map(|key| Path::new(key).strip_prefix(folder).ok()?.components().next());
        let names: BTreeSet<String> = inside.map(|name| name.as_os_str().to_string_lossy().into_owned()).collect();
        Ok(names.into_iter().collect())
    }

    fn kind(&self, path: &Path) -> io::Result<Option<FileKind>> {
        let is_above = || self.0.keys().any(|key| Path::new(key).starts_with(path));
        let is_file = path.to_str().is_some_and(|path| self.0.contains_key(path));
        Ok(if is_file { Some(FileKind::File) } else { is_above().then_some(FileKind::Directory) })
    }
}

fn too_long(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes"))
}

/// Why a file gave no text.
#[derive(Debug)]
pub enum TextError {
    /// It does not exist.
    Absent,
    /// It cannot be read.
    Unreadable(io::Error),
    /// Somebody may have written it from whom no orders are taken.
    Doubtful(io::Error),
    /// It is no UTF-8 text.
    NotText(&'static str),
}

impl TextError {
    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Absent => "paths are relative to the file that names them",
            Self::Unreadable(_) | Self::NotText(_) => "name a text file that this user may read",
            Self::Doubtful(_) => "look at what is in it, then `chown root:root` and `chmod go-w` what others may write to",
        }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("it does not exist"),
            Self::Unreadable(error) | Self::Doubtful(error) => error.fmt(f),
            Self::NotText(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for TextError {}

/// The text of a file.
///
/// # Errors
/// It is absent, unreadable, too long, or no UTF-8.
pub fn text(files: &dyn Files, path: &Path, limit: u64) -> Result<String, TextError> {
    let why = |error| if Doubt::is_why(&error) { TextError::Doubtful(error) } else { TextError::Unreadable(error) };
    let bytes = files.read(path, limit).map_err(why)?.ok_or(TextError::Absent)?;
    let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let kind = if wide { "it is UTF-16; save it as UTF-8" } else { "it is not UTF-8 text" };
    String::from_utf8(bytes).map_err(|_| TextError::NotText(kind))
}
