namespace AlignerOnnx.Training.Tests;

/// <summary>A file with given content that disappears with the object.</summary>
internal sealed class TemporaryFile : IDisposable
{
    public TemporaryFile(string text) : this(System.Text.Encoding.UTF8.GetBytes(text))
    {
    }

    public TemporaryFile(byte[] content)
    {
        Path = System.IO.Path.GetTempFileName();
        File.WriteAllBytes(Path, content);
    }

    public string Path { get; }

    public void Dispose() => File.Delete(Path);
}
