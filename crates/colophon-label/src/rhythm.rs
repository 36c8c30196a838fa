//! The audible label: the rhythm `短长 短短`.
