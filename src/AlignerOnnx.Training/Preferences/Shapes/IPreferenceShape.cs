using System.Text.Json;

namespace AlignerOnnx.Training;

/// <summary>One way in which data sets write a prompt with a preferred and another answer.</summary>
internal interface IPreferenceShape
{
    /// <summary>What the report calls it.</summary>
    string Name { get; }

    /// <summary>The fields that it is known by, for messages.</summary>
    string Fields { get; }

    /// <summary>Whether a row is of this shape.</summary>
    bool Fits(JsonElement row);

    /// <summary>Reads a row that fits.</summary>
    /// <exception cref="AlignerOnnx.Graph.DataRefusedException">A field is missing or has a wrong type.</exception>
    PreferenceRow Read(RowFields row);
}
