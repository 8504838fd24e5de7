//! A ticket as a picture, for a telephone that looks at the terminal.

use qrcode::{QrCode, render::unicode::Dense1x2};

/// The code in half blocks, light on dark as most terminals are; none when the text is too long.
pub(super) fn code(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let picture =
        code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(picture + "\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_ticket_becomes_a_square_of_half_blocks() {
        let code = super::code("bm1-0123456789").unwrap();
        let lines: Vec<_> = code.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width));
        assert_eq!(lines.len(), width.div_ceil(2));
        assert_eq!(super::code(&"x".repeat(5_000)), None);
    }
}
