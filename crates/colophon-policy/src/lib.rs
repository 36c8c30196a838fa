//! Rules of the jurisdictions as data: from a declaration to a plan, from findings to verdicts.
