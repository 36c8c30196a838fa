//! Keys on a PKCS #11 token: SoftHSM2 with a token in a folder of its own.
#![cfg(all(unix, feature = "c2pa", feature = "pkcs11"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PIN: &str = "73914628";
/// Where distributions put the module.
const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

struct Token {
    folder: tempfile::TempDir,
    module: PathBuf,
}

impl Token {
    /// A token that holds the signing key of `colophon init` as `signing`, a key of the same kind as `other`, and one on
    /// P-256 as `ec`. The key's own file is gone afterwards.
    fn new() -> Self {
        let module = MODULES.iter().map(PathBuf::from).find(|p| p.is_file());
        let module = module.expect("SoftHSM2 is not installed: scripts/setup installs it");
        let t = Self { folder: tempfile::tempdir().unwrap(), module };
        std::fs::create_dir(t.path("tokens")).unwrap();
        let conf =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", t.path("tokens").display());
        std::fs::write(t.path("softhsm2.conf"), conf).unwrap();
        let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/story.md");
        std::fs::copy(story, t.path("story.md")).unwrap();
        ok(&t.colophon(&["init", "--producer", "acme", "--organisation", "acme"]));
        let label = ["--init-token", "--free", "--label", "acme token"];
        t.softhsm(&[&label[..], &["--pin", PIN, "--so-pin", "12345678"]].concat());
        t.openssl(&["genpkey", "-algorithm", "ED25519", "-out", "other.key"]);
        t.openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.key"]);
        for (file, name, id) in
            [("colophon.key", "signing", "0a"), ("other.key", "other", "0b"), ("ec.key", "ec", "0c")]
        {
            let what = ["--import", file, "--token", "acme token", "--label", name, "--id", id];
            t.softhsm(&[&what[..], &["--pin", PIN]].concat());
        }
        std::fs::remove_file(t.path("colophon.key")).unwrap();
        t
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut c = Command::new(program);
        c.args(args).current_dir(self.folder.path()).env("SOFTHSM2_CONF", self.path("softhsm2.conf"));
        c.env_remove("COLOPHON_PIN").env_remove("COLOPHON_KEY");
        c
    }

    fn colophon(&self, args: &[&str]) -> Output {
        self.command(env!("CARGO_BIN_EXE_colophon"), args).output().unwrap()
    }

    fn softhsm(&self, args: &[&str]) {
        ok(&self.command("softhsm2-util", args).output().unwrap());
    }

    fn openssl(&self, args: &[&str]) {
        ok(&self.command("openssl", args).output().unwrap());
    }

    fn uri(&self, path: &str) -> String {
        format!("pkcs11:{path}?module-path={}", self.module.display())
    }

    /// `mark` with this key URI.
    fn mark(&self, uri: &str, pin: Option<&str>) -> Output {
        let args = ["mark", "story.md", "-o", "marked.md", "--force", "-p", "cn,eu", "--key", uri];
        let mut c = self.command(env!("CARGO_BIN_EXE_colophon"), &args);
        if let Some(pin) = pin {
            c.env("COLOPHON_PIN", pin);
        }
        c.output().unwrap()
    }
}

fn ok(out: &Output) {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn a_key_on_a_token_signs_and_every_failure_is_named_without_the_pin() {
    let t = Token::new();
    let right = t.uri("token=acme%20token;object=signing");

    // The PIN from the environment, from a file, from a program, from the URI; the key by its label, and by its id.
    std::fs::write(t.path("pin"), format!("{PIN}\n")).unwrap();
    let file = format!("{right}&pin-source={}", t.path("pin").display());
    let program = format!("{right}&pin-source=cmd:cat%20pin");
    let value = format!("{right}&pin-value={PIN}");
    let id = t.uri("token=acme%20token;id=%0a;type=private");
    for (uri, pin) in [(&right, Some(PIN)), (&file, None), (&program, None), (&value, None), (&id, Some(PIN))]
    {
        std::fs::remove_file(t.path("marked.md")).ok();
        let out = t.mark(uri, pin);
        assert!(out.status.success(), "{uri}: {}", text(&out));
        assert!(!text(&out).contains(PIN));
        let report = text(&t.colophon(&["verify", "marked.md", "-p", "cn", "--json"]));
        assert!(report.contains("\"state\": \"trusted\""), "{report}");
        assert!(report.contains("\"algorithm\": \"Ed25519\""), "{report}");
    }

    // What the token signs is signed by it: the result's signature is checked by OpenSSL with the certificate's key.
    let mut c = t.command(
        env!("CARGO_BIN_EXE_colophon"),
        &["verify", "marked.md", "-p", "cn", "--report", "result.json", "--key", &right],
    );
    ok(&c.env("COLOPHON_PIN", PIN).output().unwrap());
    t.openssl(&["x509", "-in", "colophon.crt", "-pubkey", "-noout", "-out", "public.pem"]);
    let signature = ["-in", "result.json", "-sigfile", "result.json.sig"];
    t.openssl(
        &[&["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "public.pem"][..], &signature].concat(),
    );

    let module = format!("?module-path={}", t.module.display());
    let cases = [
        ("no module", "pkcs11:token=acme%20token".to_owned(), Some(PIN), "names no module"),
        (
            "no such module",
            "pkcs11:?module-path=/nonexistent.so".to_owned(),
            Some(PIN),
            "no such PKCS #11 module",
        ),
        (
            "not a module",
            format!("pkcs11:?module-path={}", t.path("story.md").display()),
            Some(PIN),
            "cannot be loaded",
        ),
        ("no such token", format!("pkcs11:token=else{module}"), Some(PIN), "there is \"acme token\""),
        ("no such key", t.uri("token=acme%20token;object=sining"), Some(PIN), "\"signing\""),
        ("several keys", t.uri("token=acme%20token"), Some(PIN), "3 private keys match"),
        ("a key on another curve", t.uri("object=ec"), Some(PIN), "only Ed25519"),
        ("another certificate's key", t.uri("object=other"), Some(PIN), "another key"),
        ("no PIN", right.clone(), None, "asks for a PIN"),
        ("a wrong PIN", right.clone(), Some("99999999"), "the PIN is wrong"),
        ("a wrong PIN in the URI", format!("{right}&pin-value=88887777"), None, "the PIN is wrong"),
        ("an unknown attribute", t.uri("tokem=a"), Some(PIN), "tokem"),
    ];
    std::fs::remove_file(t.path("marked.md")).unwrap();
    for (what, uri, pin, words) in cases {
        let out = t.mark(&uri, pin);
        let said = text(&out);
        assert_eq!(out.status.code(), Some(6), "{what}: {said}");
        assert!(said.contains(words), "{what}: {said}");
        assert!(![PIN, "99999999", "88887777"].iter().any(|p| said.contains(p)), "{what}: {said}");
        assert!(!t.path("marked.md").exists(), "{what}: an output was written");
    }

    // The key does not come out.
    let out = t.colophon(&["key", "public", "--key", &right]);
    assert!(!out.status.success() && text(&out).contains("does not come out"), "{}", text(&out));
    let mut c = t.command(env!("CARGO_BIN_EXE_colophon"), &["key", "show", "--key", &right]);
    ok(&c.env("COLOPHON_PIN", PIN).output().unwrap());
}
