//! The uv program, pinned: the resolver on the host and the installer in the target are the same release.

use super::{Cause, Desk};
use crate::model::{Proxy, Sha256};
use crate::step::Blob;
use crate::target::{HostTool, beside_warnings, is_program_in_wheel, program_in_wheel, run_host};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Processor, wheel, its digest. These wheels hold a static program, which runs on any Linux.
const WHEELS: [(&str, &str, &str); 2] = [
    ("x86_64", "uv-0.13.8-py3-none-musllinux_1_1_x86_64.whl", "29451c60f5e8b07403e0a175d5229efc36b0289b34143ff4aaa499a5dd52553a"),
    (
        "aarch64",
        "uv-0.13.8-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl",
        "0b3e8b1a4f5e405e31e2ff33de8af4744831e9f7338539671efbd8c3c94e791d",
    ),
];

/// Variables of the host that say how the network is reached.
const NETWORK: [&str; 8] =
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The certificates that a host of the supported distributions trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Desk<'_> {
    /// The wheel of uv for this processor, as the index has it.
    pub(super) fn uv(&self, machine: &str, index: Option<&str>) -> Result<Blob, Cause> {
        let pinned = WHEELS.iter().find(|(name, ..)| *name == machine);
        let (_, file, sha256) = pinned.ok_or_else(|| Cause::unsatisfiable(format!("uv is not pinned for {machine}")))?;
        let sha256 = Sha256::parse(sha256).map_err(Cause::unsatisfiable)?;
        let links = self.links("uv", index)?;
        let link = links.iter().find(|link| link.file == *file);
        let link =
            link.ok_or_else(|| Cause::unsatisfiable(format!("the index does not have {file}, which resolves and installs packages")))?;
        Ok(Blob { url: link.url.clone(), sha256, size: self.http.size(&link.url) })
    }

    /// The program for this host, unpacked, and held against its verified wheel.
    fn uv_here(&self, index: Option<&str>) -> Result<PathBuf, Cause> {
        let blob = self.uv(std::env::consts::ARCH, index)?;
        let path = self.store.folder().join("tools").join(format!("uv-{}", blob.sha256.short()));
        self.http.download(self.store, &blob, self.progress)?;
        let wheel = self.store.take(&blob.sha256)?;
        if let Ok(there) = File::open(&path)
            && is_program_in_wheel(wheel.try_clone()?, "uv", there)?
        {
            return Ok(path);
        }
        let mut file = self.store.incoming()?;
        program_in_wheel(wheel, "uv", &mut file)?;
        file.as_file().set_permissions(Permissions::from_mode(0o755))?;
        file.as_file().sync_all()?;
        fs::create_dir_all(self.store.folder().join("tools"))?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(path)
    }

    /// What the manifest says of the network, as variables; the certificates beside those of this host, in a file of `folder`.
    fn told(&self, folder: &Path) -> io::Result<Vec<(String, String)>> {
        let proxy = self.network.proxy.iter().flat_map(Proxy::variables).map(|(name, value)| (name.to_owned(), value));
        let mut env: Vec<(String, String)> = proxy.collect();
        if !self.network.authorities.is_empty() {
            let own = std::env::var("SSL_CERT_FILE").unwrap_or_else(|_| CERTIFICATES.into());
            // A host without certificates of its own trusts those that are named.
            let all = std::iter::once(fs::read_to_string(own).unwrap_or_default()).chain(self.network.authorities.iter().cloned());
            let path = folder.join("authorities.pem");
            fs::write(&path, all.collect::<Vec<_>>().join("\n"))?;
            env.push(("SSL_CERT_FILE".into(), path.display().to_string()));
        }
        Ok(env)
    }

    /// Runs uv in a folder of its own; what it says where it fails is the cause.
    pub(super) fn run_uv(&self, arguments: &[&str], folder: &Path, index: Option<&str>) -> Result<(), Cause> {
        let program = self.uv_here(index)?.display().to_string();
        let argv = std::iter::once(program).chain(arguments.iter().map(|word| (*word).to_owned())).collect();
        let mut env: Vec<(String, String)> = NETWORK.iter().filter_map(|name| Some(((*name).into(), std::env::var(name).ok()?))).collect();
        env.extend(self.told(folder)?);
        env.push(("UV_CACHE_DIR".into(), self.store.folder().join("uv").display().to_string()));
        let output = run_host(&HostTool { argv, env, directory: folder.to_owned() }, self.progress)?;
        if output.status == 0 {
            return Ok(());
        }
        let said = beside_warnings(&output.stderr).join("\n").trim().trim_start_matches("error: ").to_owned();
        Err(if said.starts_with("Failed to fetch") { Cause::Unreachable(said) } else { Cause::Unsatisfiable(said) })
    }
}
