namespace AlignerOnnx.Adapters;

/// <summary>How a patched model gets its weights.</summary>
public enum WeightCopy
{
    /// <summary>Cloned copy-on-write where the file system can, else copied inside the kernel (the default).</summary>
    Copy,

    /// <summary>Hard links: no space, but onnx.checker then refuses the data files of the patched model and of the original.</summary>
    Link,
}
