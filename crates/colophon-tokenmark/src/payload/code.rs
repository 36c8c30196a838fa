//! The [16, 6, 11] Reed-Solomon code over GF(16): a polynomial of degree below 6 at all 16 elements of the field.

/// Length of a codeword.
pub(crate) const PLACES: usize = 16;
/// Size of the field.
pub(crate) const SYMBOLS: usize = 16;
/// Symbols of data.
pub(crate) const DATA: usize = 6;
/// Least number of places in which two codewords differ.
pub(crate) const DISTANCE: usize = PLACES - DATA + 1;

/// Product in GF(2)[x] / (x^4 + x + 1).
pub(crate) const fn mul(a: u8, b: u8) -> u8 {
    let (mut product, mut i) = (0u8, 0);
    while i < 4 {
        product ^= (a << i) * (b >> i & 1);
        i += 1;
    }
    // reduce x^6, x^5, x^4
    let mut bit = 6;
    while bit >= 4 {
        if product >> bit & 1 == 1 {
            product ^= 0b1_0011 << (bit - 4);
        }
        bit -= 1;
    }
    product
}

/// All products.
pub(crate) static PRODUCTS: [[u8; SYMBOLS]; SYMBOLS] = {
    let mut table = [[0; SYMBOLS]; SYMBOLS];
    let mut i = 0;
    while i < SYMBOLS * SYMBOLS {
        table[i / SYMBOLS][i % SYMBOLS] = mul((i / SYMBOLS) as u8, (i % SYMBOLS) as u8);
        i += 1;
    }
    table
};

/// Inverse of a non-zero element: its 14th power.
fn inverse(a: u8) -> u8 {
    (0..13).fold(a, |power, _| mul(power, a))
}

/// The codeword of 24 bits; the lowest 4 bits are the constant coefficient.
pub(crate) fn encode(bits: u32) -> [u8; PLACES] {
    std::array::from_fn(|place| {
        (0..DATA).rev().fold(0, |value, i| mul(value, place as u8) ^ (bits >> (4 * i) & 15) as u8)
    })
}

/// The 24 bits of a codeword, from its first 6 places.
pub(crate) fn decode(word: &[u8; PLACES]) -> u32 {
    // Newton's divided differences give the coefficients, then the nested form is multiplied out
    let mut differences = [0u8; DATA];
    differences.copy_from_slice(&word[..DATA]);
    for level in 1..DATA {
        for i in (level..DATA).rev() {
            let step = (i as u8) ^ (i - level) as u8;
            differences[i] = mul(differences[i] ^ differences[i - 1], inverse(step));
        }
    }
    let mut coefficients = [0u8; DATA];
    for i in (0..DATA).rev() {
        for k in (1..DATA).rev() {
            coefficients[k] = coefficients[k - 1] ^ mul(coefficients[k], i as u8);
        }
        coefficients[0] = mul(coefficients[0], i as u8) ^ differences[i];
    }
    coefficients.iter().enumerate().fold(0, |bits, (i, &c)| bits | u32::from(c) << (4 * i))
}

/// For six places that are known, what each contributes to every place of the codeword (Lagrange's basis).
pub(crate) fn spread(known: [usize; DATA]) -> [[u8; PLACES]; DATA] {
    known.map(|own| {
        std::array::from_fn(|place| {
            known.iter().filter(|&&other| other != own).fold(1, |product, &other| {
                let (x, o, own) = (place as u8, other as u8, own as u8);
                mul(product, mul(x ^ o, inverse(own ^ o)))
            })
        })
    })
}

/// Number of codewords that differ from a given one in exactly `weight` places (MacWilliams and Sloane, ch. 11, th. 6).
pub(crate) fn at_distance(weight: usize) -> f64 {
    if !(DISTANCE..=PLACES).contains(&weight) {
        return 0.0;
    }
    let sum: f64 = (0..=weight - DISTANCE)
        .map(|j| {
            let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
            sign * choose(weight, j) * ((SYMBOLS as f64).powi((weight - DISTANCE + 1 - j) as i32) - 1.0)
        })
        .sum();
    choose(PLACES, weight) * sum
}

fn choose(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product::<f64>().round()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_field_is_a_field() {
        for a in 1..16u8 {
            assert_eq!(mul(a, inverse(a)), 1);
            assert_eq!(mul(a, 1), a);
            for b in 0..16 {
                assert_eq!(mul(a, b), mul(b, a));
                for c in 0..16 {
                    assert_eq!(mul(a, b ^ c), mul(a, b) ^ mul(a, c));
                }
            }
        }
    }

    #[test]
    fn all_codewords_are_counted() {
        let others: f64 = (DISTANCE..=PLACES).map(at_distance).sum();
        assert_eq!(others, f64::from((1 << 24) - 1));
    }

    proptest! {
        #[test]
        fn codewords_decode_and_differ_enough(a in 0u32..1 << 24, b in 0u32..1 << 24) {
            let (x, y) = (encode(a), encode(b));
            prop_assert_eq!(decode(&x), a);
            let differing = x.iter().zip(&y).filter(|(p, q)| p != q).count();
            prop_assert!(a == b || differing >= DISTANCE);
        }

        #[test]
        fn any_six_places_give_the_codeword(bits in 0u32..1 << 24, order in Just((0..PLACES).collect::<Vec<_>>()).prop_shuffle()) {
            let word = encode(bits);
            let known: [usize; DATA] = std::array::from_fn(|i| order[i]);
            let basis = spread(known);
            for place in 0..PLACES {
                let value = known.iter().zip(&basis).fold(0, |sum, (&k, row)| sum ^ mul(word[k], row[place]));
                prop_assert_eq!(value, word[place]);
            }
        }
    }
}
