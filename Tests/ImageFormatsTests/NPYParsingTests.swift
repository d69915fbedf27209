// Arrays written by NumPy are read as NumPy reads them, whatever their type, order and version.

import Testing

@testable import ImageFormats

@Suite struct NPYParsingTests {
    @Test(arguments: [
        "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "u2_big", "u4_big", "u8_big", "i2_big", "i4_big", "i8_big",
    ])
    func readsIntegersOfEveryWidthAndByteOrder(name: String) throws {
        let array = try Fixture.array(name)
        #expect(array.shape == [2, 3])
        #expect(array.count == 6)
        #expect(array.elementType.code == name.prefix(2))
        #expect(try array.integers() == [0, 1, 2, 125, 126, 127])
        #expect(try array.integers(as: UInt8.self, in: 0...255) == [0, 1, 2, 125, 126, 127])
        #expect(array.floats() == [0, 1, 2, 125, 126, 127])
    }

    @Test(arguments: ["f2", "f4", "f8", "f2_big", "f4_big", "f8_big"])
    func readsFloatsOfEveryWidthAndByteOrder(name: String) throws {
        let array = try Fixture.array(name)
        #expect(array.shape == [2, 3])
        #expect(array.floats() == [0, 1, 2, 125, 126, 127])
        #expect(throws: NPYError.notIntegers(array.elementType)) { try array.integers() }
        #expect(throws: NPYError.notIntegers(array.elementType)) { try array.integers(as: UInt8.self, in: 0...255) }
    }

    @Test func roundsDoublesToTheNearestFloat() throws {
        #expect(try Fixture.array("fractions").floats() == [-1.5, 0.1, 3e38, .infinity, .infinity])
    }

    @Test func readsBooleansAsZeroAndOne() throws {
        let array = try Fixture.array("b1")
        #expect(array.elementType == .bool)
        #expect(try array.integers() == [0, 0, 1, 1, 1, 1])
        #expect(array.floats() == [0, 0, 1, 1, 1, 1])
        #expect(throws: NPYError.valueOutOfRange(value: "1", index: [0, 2], allowed: 0...0)) {
            try array.integers(as: UInt8.self, in: 0...0)
        }
        let header = "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}"
        #expect(try NPYArray(parsing: Fixture.npy(header: header, data: [0, 1, 255])).integers() == [0, 1, 1])
    }

    @Test(arguments: ["fortran", "fortran_big", "version_2", "version_3"])
    func readsFortranOrderAndLaterVersionsAsCOrder(name: String) throws {
        let array = try Fixture.array(name)
        #expect(array.shape == [2, 3, 4])
        #expect(try array.integers() == Array(0..<24))
    }

    @Test func acceptsFortranOrderWhereItChangesNothing() throws {
        let empty = Fixture.npy(header: "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 0, 3)}")
        #expect(try NPYArray(parsing: empty).shape == [2, 0, 3])
        let line = Fixture.npy(header: "{'descr': '|u1', 'fortran_order': True, 'shape': (2,)}", data: [8, 9])
        #expect(try NPYArray(parsing: line).integers() == [8, 9])
    }

    @Test func readsScalarsAndEmptyArrays() throws {
        let scalar = try Fixture.array("scalar")
        #expect(scalar.shape == [])
        #expect(try scalar.integers() == [7])
        let empty = try Fixture.array("empty")
        #expect(empty.shape == [0, 3])
        #expect(try empty.integers() == [])
    }

    @Test func readsHeadersInAnyOrderAndSpacing() throws {
        let header = "{ \"shape\":(1,2,) ,\n'fortran_order' : False,'descr':'<u1' }  \n"
        let array = try NPYArray(parsing: Fixture.npy(header: header, data: [3, 4]))
        #expect(array.shape == [1, 2])
        #expect(try array.integers() == [3, 4])
    }

    @Test func readsFromMemoryOwnedByTheCaller() throws {
        let bytes = try Fixture.bytes("npy/u2.npy")
        let values = try bytes.withUnsafeBytes { try NPYArray(parsing: $0).integers() }
        #expect(values == [0, 1, 2, 125, 126, 127])
    }

    @Test func reportsTheFirstValueOutOfRangeWithItsIndex() throws {
        let array = try Fixture.array("out_of_range")
        let error = NPYError.valueOutOfRange(value: "300", index: [0, 2, 5, 1], allowed: 0...255)
        #expect(throws: error) { try array.integers(as: UInt8.self, in: 0...255) }
        #expect(error.description == "NPY value 300 at [0, 2, 5, 1]; allowed 0 … 255")
        #expect(try array.integers(as: UInt16.self, in: 0...300).max() == 300)
    }

    @Test func reportsNegativeValuesWhereNoneAreAllowed() throws {
        let array = try Fixture.array("negative")
        #expect(try array.integers() == [-128, -1, 127])
        #expect(throws: NPYError.valueOutOfRange(value: "-128", index: [0], allowed: 0...255)) {
            try array.integers(as: UInt16.self, in: 0...255)
        }
    }

    @Test func reportsIntegersBeyondIntRatherThanWrapping() throws {
        let array = try Fixture.array("large")
        let error = NPYError.valueOutOfRange(
            value: "18446744073709551615", index: [0, 1], allowed: Int.min...Int.max)
        #expect(throws: error) { try array.integers() }
        #expect(array.floats() == [0, 0x1p64])
    }
}
