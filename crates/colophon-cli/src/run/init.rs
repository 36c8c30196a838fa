//! `colophon init`.

use colophon::exit::Exit;
use colophon::sign::{ChainRequest, KeyPair, make_chain};
use colophon::{Error, ErrorKind, Profiles};

use crate::advice::Failure;
use crate::args::InitArgs;
use crate::config::FILE_NAME;
use crate::files;
use crate::output::human;

const KEY: &str = "colophon.key";
const CHAIN: &str = "colophon.crt";
const ROOT: &str = "colophon-root.crt";
const ROOT_KEY: &str = "colophon-root.key";

pub(super) fn run(args: &InitArgs) -> Result<Exit, Failure> {
    let dir = &args.dir;
    // An unknown profile is found before anything is written.
    let ids: Vec<&str> = args.profile.iter().map(String::as_str).collect();
    Profiles::named(&ids)?;
    std::fs::create_dir_all(dir).map_err(|e| Failure::from(e).on(dir))?;
    for name in [FILE_NAME, KEY, CHAIN, ROOT, ROOT_KEY] {
        let path = dir.join(name);
        if path.exists() && !args.force {
            return Err(Failure::from(Error::new(ErrorKind::Conflict, "exists already"))
                .on(&path)
                .hint("replace it with --force; marks made with the old key stay readable"));
        }
    }
    let root = KeyPair::generate()?;
    let leaf = KeyPair::generate()?;
    let key_id = leaf.key_id();
    // The provider's legal name or code is never made up: without one, the key names itself.
    let producer =
        args.producer.clone().unwrap_or_else(|| format!("key-{}", key_id.get(..16).unwrap_or_default()));
    let organisation = args.organisation.clone().unwrap_or_else(|| producer.clone());
    let chain = make_chain(&root, &leaf, &ChainRequest::new(&organisation, args.days)?)?;
    files::write_private(&dir.join(ROOT_KEY), &root.to_pkcs8_pem()?, args.force)?;
    files::write_private(&dir.join(KEY), &leaf.to_pkcs8_pem()?, args.force)?;
    files::write_atomically(&dir.join(CHAIN), chain.leaf_pem.as_bytes(), args.force)?;
    files::write_atomically(&dir.join(ROOT), chain.root_pem.as_bytes(), args.force)?;
    files::write_atomically(&dir.join(FILE_NAME), config(args, &producer).as_bytes(), args.force)?;
    human::plain(&format!(
        "wrote {}\n  {FILE_NAME:<18} profiles {}, producer {producer}\n  {KEY:<18} private signing key, mode 0600\n  {CHAIN:<18} certificate of the key, {} days\n  {ROOT:<18} your own root: give it to those who verify\n  {ROOT_KEY:<18} private key of the root: keep it away from the machine that signs",
        dir.display(),
        args.profile.join(","),
        args.days
    ));
    human::plain("\nnext:");
    if args.producer.is_none() {
        human::plain(&format!("  set producer in {FILE_NAME} to your provider's name or 27-character code"));
    }
    human::plain(&format!(
        "  colophon mark picture.png -o marked.png\n  colophon verify marked.png --trust {ROOT}\n\nThe certificate is your own: verifiers report Valid, and Trusted only to those who trust {ROOT}.\nNo public C2PA trust list knows it."
    ));
    Ok(Exit::Ok)
}

fn config(args: &InitArgs, producer: &str) -> String {
    let list: Vec<String> = args.profile.iter().map(|p| format!("{p:?}")).collect();
    format!(
        "# Colophon's configuration; every value can be overridden by a flag.\n\
         profiles = [{}]\nkey = \"file:{KEY}\"\ncert = \"{CHAIN}\"\n\
         # Signers reported as trusted by `colophon verify` run from here.\ntrust = [\"{ROOT}\"]\n\n\
         [declaration]\n# The provider that offers the service to the public: its name, or its code (TC260-PG-20252A).\n\
         producer = {}\n",
        list.join(", "),
        toml::Value::from(producer)
    )
}
