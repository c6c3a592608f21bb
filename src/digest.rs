//! How digests are written: lower-case hexadecimal digits. Must not know what was digested, nor by which function.

/// The bytes of a digest as they stand in files.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_two_digits() {
        assert_eq!(hex([0, 9, 16, 255]), "000910ff");
        assert_eq!(hex(b""), "");
    }
}
