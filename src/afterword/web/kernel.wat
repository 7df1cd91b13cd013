;; The products of the engine, sixteen at a time: rows of bytes [rows, columns] · shorts [columns] → ints [rows]. The
;; arguments are addresses in `memory`; `columns` is a multiple of 16. `plain` in engine.js computes the same numbers.
;; `make kernel` writes kernel.wasm.base64 from this file.
(module
  (memory (export "memory") 0)
  (func (export "multiply")
    (param $weights i32) (param $factors i32) (param $sums i32) (param $rows i32) (param $columns i32)
    (local $x i32) (local $end i32) (local $bytes v128) (local $sum v128)
    (local.set $end (i32.add (local.get $factors) (i32.shl (local.get $columns) (i32.const 1))))
    (loop $row
      (local.set $sum (v128.const i32x4 0 0 0 0))
      (local.set $x (local.get $factors))
      (loop $column
        (local.set $bytes (v128.load (local.get $weights)))
        (local.set $sum
          (i32x4.add (local.get $sum)
            (i32x4.add
              (i32x4.dot_i16x8_s
                (i16x8.extend_low_i8x16_s (local.get $bytes)) (v128.load (local.get $x)))
              (i32x4.dot_i16x8_s
                (i16x8.extend_high_i8x16_s (local.get $bytes)) (v128.load offset=16 (local.get $x))))))
        (local.set $weights (i32.add (local.get $weights) (i32.const 16)))
        (br_if $column (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 32))) (local.get $end))))
      (i32.store (local.get $sums)
        (i32.add
          (i32.add (i32x4.extract_lane 0 (local.get $sum)) (i32x4.extract_lane 1 (local.get $sum)))
          (i32.add (i32x4.extract_lane 2 (local.get $sum)) (i32x4.extract_lane 3 (local.get $sum)))))
      (local.set $sums (i32.add (local.get $sums) (i32.const 4)))
      (br_if $row (local.tee $rows (i32.sub (local.get $rows) (i32.const 1)))))))
