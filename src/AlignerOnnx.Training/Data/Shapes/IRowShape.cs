using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>One way in which data sets write a row: knows its rows by their fields, and reads them.</summary>
internal interface IRowShape
{
    /// <summary>What the report calls it.</summary>
    string Name { get; }

    /// <summary>The fields that it is known by, for messages.</summary>
    string Fields { get; }

    /// <summary>Whether a row is of this shape.</summary>
    bool Fits(JsonElement row);

    /// <summary>Reads a row that fits; one with nothing to learn becomes an <see cref="UnusableRow"/>.</summary>
    /// <exception cref="AlignerOnnx.Graph.DataRefusedException">A field has a wrong type.</exception>
    DataRow Read(RowFields row);
}
