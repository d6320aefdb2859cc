#version 330 core
// Light comes from the vertices; what is added per pixel is the texture, and the highlights of eyes and wet surfaces,
// which are smaller than a triangle.

#ifdef TEXTURED
in vec3 light;
in vec3 shine;
in vec2 uv;
uniform sampler2D picture;
#else
noperspective in vec3 colour;
#endif
#ifdef BLENDED
in float alpha;
#endif
#ifdef GLOSSY
in vec3 to_camera;
in vec3 facing;
in float mirror;
#endif

out vec4 frag_color;

void main()
{
    vec4 shown = vec4(0.0, 0.0, 0.0, 1.0);
#ifdef BLENDED
    shown.a = alpha;
#endif
#ifdef TEXTURED
    vec4 texel = texture(picture, uv);
    vec3 lit = texel.rgb * texel.rgb * light + shine; // squares and roots for sRGB's curve: 0.03 off at most, in the darks
    shown = vec4(sqrt(lit / (1.0 + 0.18 * lit)), shown.a * texel.a);
#else
    shown.rgb = colour;
#endif
#ifdef GLOSSY
    // The reflected view against a soft box at the key and a faint one at the fill.
    vec3 reflected = reflect(-normalize(to_camera), normalize(facing));
    float key = smoothstep(0.962, 0.985, dot(reflected, vec3(-0.4751, 0.5700, 0.6703)));
    float fill = smoothstep(0.90, 0.99, dot(reflected, vec3(0.7715, 0.1543, 0.6172)));
    shown.rgb += mirror * (0.90 * key + 0.14 * fill);
#endif
    frag_color = shown;
}
